"""Phrases of the simulated feed, written for this project: subjects and opinions in nine languages."""

from typing import NamedTuple


class Phrases(NamedTuple):
    """One language: subjects by topic, and opinions per sentiment that fit any subject (`{}`)."""

    subjects: dict[str, tuple[str, ...]]
    negative: tuple[str, ...]
    neutral: tuple[str, ...]
    positive: tuple[str, ...]


PHRASES: dict[str, Phrases] = {
    "en": Phrases(
        {
            "quality": ("the material", "the camera", "the screen", "the build"),
            "delivery": ("the delivery", "the courier", "the packaging"),
            "price": ("the price", "the new subscription fee"),
            "service_support": ("customer service", "the support team", "the hotline"),
            "app": ("the app", "the latest update"),
        },
        ("{} is terrible, I want my money back", "very disappointed, {} is a complete waste", "{} is awful and broken again",
         "I hate it, {} never works", "worst experience ever, {} is useless"),
        ("does anybody know when {} changes?", "I asked about {} yesterday", "{} is the same as last year",
         "they sent a note about {}"),
        ("{} is excellent, I love it", "really happy, {} is great", "{} is perfect, highly recommended",
         "amazing, {} works wonderfully", "thank you, {} is fantastic"),
    ),
    "pt": Phrases(
        {
            "quality": ("o material", "a câmera", "a tela", "o acabamento"),
            "delivery": ("a entrega", "o entregador", "a embalagem"),
            "price": ("o preço", "a nova mensalidade"),
            "service_support": ("o atendimento", "a equipe de suporte"),
            "app": ("o aplicativo", "a última atualização"),
        },
        ("{} é péssimo, quero meu dinheiro de volta", "muito decepcionado, {} é horrível", "{} está horrível, só trava e não funciona",
         "não gostei, {} é muito ruim", "pior experiência, {} é terrível e inútil"),
        ("alguém sabe quando muda {}?", "perguntei sobre {} ontem", "{} é igual ao do ano passado"),
        ("{} é excelente, eu amo", "muito feliz, {} é ótimo", "{} é perfeito, recomendo", "adorei, {} é maravilhoso"),
    ),
    "es": Phrases(
        {"quality": ("el material", "la cámara"), "delivery": ("la entrega",), "price": ("el precio",), "app": ("la aplicación",)},
        ("{} es terrible, quiero mi dinero", "muy decepcionado, {} es horrible", "{} es pésimo, no funciona"),
        ("¿alguien sabe cuándo cambia {}?", "pregunté por {} ayer"),
        ("{} es excelente, me encanta", "muy contento, {} es genial", "{} es perfecto, lo recomiendo"),
    ),
    "de": Phrases(
        {
            "quality": ("das Material", "die Kamera", "das Display"),
            "delivery": ("die Lieferung", "die Verpackung"),
            "price": ("der Preis", "das neue Abo"),
            "service_support": ("der Kundendienst", "der Service"),
            "app": ("die App", "das letzte Update"),
        },
        ("{} ist schrecklich, ich will mein Geld zurück", "sehr enttäuscht, {} ist furchtbar", "{} ist schlecht und kaputt",
         "{} ist eine Enttäuschung, sehr schlecht"),
        ("weiß jemand, wann sich {} ändert?", "ich habe gestern nach {} gefragt"),
        ("{} ist ausgezeichnet, ich liebe es", "sehr zufrieden, {} ist toll", "{} ist perfekt, sehr zu empfehlen"),
    ),
    "fr": Phrases(
        {
            "quality": ("la matière", "la caméra", "l'écran"),
            "delivery": ("la livraison", "l'emballage"),
            "price": ("le prix", "le nouvel abonnement"),
            "service_support": ("le service client", "l'assistance"),
            "app": ("l'application", "la dernière mise à jour"),
        },
        ("{} est nul, je veux être remboursé", "très déçu, {} est horrible", "{} est mauvais et ne marche pas",
         "à fuir, {} est une catastrophe"),
        ("quelqu'un sait quand change {} ?", "j'ai posé une question sur {} hier"),
        ("{} est excellent, j'adore", "très content, {} est génial", "{} est parfait, je recommande"),
    ),
    "zh": Phrases(
        {
            "quality": ("质量", "摄像头", "屏幕", "做工"),
            "delivery": ("物流", "快递", "包装"),
            "price": ("价格", "新会员费"),
            "service_support": ("客服", "售后服务"),
            "app": ("软件", "最新版本"),
        },
        ("{}太差了，要求退款", "非常失望，{}很糟糕", "{}很烂，根本不能用", "垃圾，{}差评"),
        ("请问{}什么时候调整？", "昨天问了一下{}的事", "{}和去年一样"),
        ("{}非常好，很喜欢", "很满意，{}不错", "{}很棒，推荐购买", "好评，{}非常满意"),
    ),
    "ja": Phrases(
        {
            "quality": ("品質", "カメラ", "画面"),
            "delivery": ("配送", "梱包"),
            "price": ("価格", "新しい料金"),
            "service_support": ("サポート", "カスタマーサービス"),
            "app": ("アプリ", "最新の更新"),
        },
        ("{}がひどい、返金してほしい", "とてもがっかり、{}は最悪です", "{}は悪くて使えません"),
        ("{}はいつ変わりますか", "昨日{}について聞きました"),
        ("{}は素晴らしい、大好きです", "とても満足、{}は最高です", "{}は完璧です、おすすめします"),
    ),
    "hi": Phrases(
        {
            "quality": ("गुणवत्ता", "कैमरा", "स्क्रीन"),
            "delivery": ("डिलीवरी", "पैकेजिंग"),
            "price": ("कीमत", "नया शुल्क"),
            "service_support": ("ग्राहक सेवा", "सहायता टीम"),
            "app": ("ऐप", "नया अपडेट"),
        },
        ("{} बहुत खराब है, मेरा पैसा वापस करो", "बहुत निराश हूँ, {} बेकार है", "{} भयानक है, काम नहीं करता"),
        ("क्या किसी को पता है {} कब बदलेगा?", "मैंने कल {} के बारे में पूछा"),
        ("{} बहुत अच्छा है, मुझे पसंद है", "बहुत खुश हूँ, {} शानदार है", "{} उत्कृष्ट है, धन्यवाद"),
    ),
    "id": Phrases(
        {
            "quality": ("kualitasnya", "kameranya", "layarnya"),
            "delivery": ("pengirimannya", "kemasannya"),
            "price": ("harganya", "biaya barunya"),
            "service_support": ("layanan pelanggannya", "pelayanannya"),
            "app": ("aplikasinya", "pembaruannya"),
        },
        ("{} buruk sekali, saya mau uang kembali", "sangat kecewa, {} mengecewakan", "{} jelek dan tidak berfungsi"),
        ("ada yang tahu kapan {} berubah?", "kemarin saya bertanya tentang {}"),
        ("{} sangat bagus, saya suka", "sangat puas, {} luar biasa", "{} sempurna, recommended"),
    ),
    "ru": Phrases(
        {
            "quality": ("качество", "экран", "материал"),
            "delivery": ("доставка", "упаковка"),
            "price": ("цена", "новая подписка"),
            "service_support": ("поддержка", "обслуживание"),
            "app": ("приложение", "обновление"),
        },
        ("{} ужас, верните деньги", "очень разочарован, {} отвратительно", "{} плохо, ничего не работает"),
        ("кто знает, когда изменится {}?", "вчера спрашивал про {}"),
        ("{} отлично, мне очень нравится", "очень доволен, {} супер", "{} прекрасно, рекомендую, спасибо"),
    ),
}  # fmt: skip

TAILS: tuple[str, ...] = ("", "!", "!!", " :)", " ...", " #{}", " ({})", " – {}")
