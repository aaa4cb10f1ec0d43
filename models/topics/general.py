"""Texts about no topic in particular, written for this project: what `general` is where no other texts are given."""

GENERAL_TEXTS: tuple[str, ...] = (
    # English
    "ok", "love it", "not for me", "worst ever", "it is fine I guess", "five stars", "would recommend to anyone",
    "I have been using it for two years now", "bought it as a gift for my brother", "good morning everyone",
    "my favourite so far", "never again", "does anyone else have this?", "thank you so much", "I expected more",
    "we will come back next summer", "nothing special, nothing bad", "same as last year", "I am so tired today",
    "can't wait for the weekend", "this one is better than the other", "a friend asked me to try it",
    # Portuguese
    "adorei", "não gostei", "muito bom", "mais ou menos", "recomendo para todos", "comprei de presente para minha mãe",
    "bom dia a todos", "péssimo, não volto mais", "uso há dois anos", "que saudade de vocês",
    # Spanish
    "me encanta", "no me gustó", "está bien, nada especial", "lo volvería a hacer", "muy contento en general",
    "lo peor que he visto", "buenos días", "es un regalo para mi hermana", "ya van dos veces", "gracias por todo",
    # German
    "gefällt mir sehr", "gar nicht mein Fall", "ist okay", "immer wieder gerne", "nie wieder", "kann ich empfehlen",
    "habe ich für meinen Vater gekauft", "wir waren das zweite Mal hier", "guten Morgen zusammen", "bin enttäuscht",
    # French
    "j'adore", "bof, sans plus", "je recommande", "déçu", "rien à dire, parfait", "plus jamais",
    "acheté pour l'anniversaire de ma fille", "bonjour à tous", "on y retournera", "c'est comme d'habitude",
    # Indonesian
    "bagus sekali", "biasa saja", "tidak suka", "terima kasih banyak", "selamat pagi semua", "saya kecewa",
    "sudah dua tahun saya pakai", "beli untuk adik saya", "pasti datang lagi", "paling suka yang ini",
    # Russian
    "очень нравится", "не понравилось", "нормально, ничего особенного", "всем советую", "больше никогда",
    "купил в подарок маме", "доброе утро", "пользуюсь уже два года", "спасибо большое", "ожидал большего",
    # Chinese
    "很好", "一般般", "不喜欢", "推荐给大家", "再也不会了", "送给妈妈的礼物", "用了两年了", "早上好",
    "还会再来", "有点失望",
    # Japanese
    "とても気に入りました", "普通です", "好きではない", "おすすめです", "もう二度とない",
    "母へのプレゼントに買いました", "おはようございます", "また来ます", "二年使っています", "がっかりした",
    # Arabic
    "أحببته كثيرا", "لم يعجبني", "عادي", "أنصح به الجميع", "لن أعود أبدا", "اشتريته هدية لأمي", "صباح الخير",
    "شكرا جزيلا", "أستخدمه منذ سنتين", "توقعت أفضل من ذلك",
    # Hindi
    "बहुत अच्छा", "ठीक ठाक है", "पसंद नहीं आया", "सबको सलाह दूंगा", "फिर कभी नहीं", "माँ के लिए तोहफा लिया",
    "सुप्रभात", "bahut badhiya", "theek hai", "mujhe pasand nahi aaya",
)  # fmt: skip
