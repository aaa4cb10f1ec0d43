"""What keeps people out of what is stored: redaction of texts, hashes of users."""
