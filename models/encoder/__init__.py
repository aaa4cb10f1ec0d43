"""A pre-trained multilingual encoder: made from pinned packages, taught our labels, judged on sources it never saw."""
