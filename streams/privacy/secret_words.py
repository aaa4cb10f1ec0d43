"""Words for passwords, codes and phrases in eleven languages, and what leads from them to the secret."""

from streams.privacy.words import PROSE, Words, split

CJK = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
"""Written without spaces: a neighbour belongs to another word."""

PASSWORDS = (
    r"(?:pass[ -]?(?:words?|wd|code|wort)|pas{1,2}w(?:oo?r[dt]|r[dt]|d)|(?<![a-z])ps{1,2}wd?(?![a-z])|(?<![a-z])pass(?:es)?(?![a-z])|(?<![a-z])p?pwd?(?![a-z])|(?<![a-z])pw(?=\d)|kennw(?:o|ö)rt"
    r"|contrase(?:ñ|n|ny)a|(?<![a-zé])clave|(?<![a-z])contra(?=\s?[:=]|\ses\s)|senha|palavra[ -]passe|mots? de passe"
    r"|mot-de-passe|(?<![a-z])mdp|kata sandi|(?<![a-z])sandi|парол[ьяюе]м?|паролька|пасс(?:ворд)?(?![а-я])|密码|密碼|口令"
    r"|パスワード|パスコード|ﾊﾟｽﾜｰﾄﾞ|パス(?=[はが:→「])|(?:ال)?كلم[ةه] (?:ال)?(?:سر|مرور)(?:ي|ية|يه)?|(?:ال)?باس(?:و|وو)?رد[يو]?"
    r"|(?:ال)?باس (?=[!-~])|पासवर्ड|पास ?वर्ड|पासकोड|कूटशब्द|(?<![a-z])(?:wlan|wifi|wi-fi)[ -]?(?:key|schlüssel|pass\w*|kennwort|sandi)"
    r"|(?<![a-z])(?:(?:api|access|private|secret|license|licence|product|activation)[ _-]?key|secret|token)(?![a-z])"
    r"|(?:log-?in|логин|credentials|zugangsdaten|identifiants|credenciais|credenciales|akun)(?=\s?[:=]\s?\S{2,40}\s?/\s?\S)|提取码|提取碼|访问码|解压码|卡密|密钥|兑换码)"
)
"""What anything may follow."""
CODE = (
    r"(?:(?<![a-z])(?:m?pin|пин|nip)(?:[- ]?(?:code|kod|код|nummer|码|碼|コード))?а?(?![a-zа-я])|暗証番号|暗证|暗証|पिन(?: ?कोड| नंबर)?(?![\u0900-\u097f])"
    r"|(?:ال)?رقم (?:ال)?سري|رقمي السري|(?:ال)?بن كود|geheimzahl|(?:numeric|one[- ]time|unlock|door|gate|alarm|access|login|sms|security|verification"
    r"|confirmation|authenticat(?:ion|or)) codes?|(?<![a-z])(?:otp|2fa|mfa|tan|m?tan|puk|cvv2?|cvc2?|cvn)(?![a-z])|ओटीपी|सीवीवी"
    r"|(?:bestätigungs|sicherheits|zugangs|verifizierungs|freischalt|sms-?|entsperr|tür)code|验证码|驗證碼|校验码|动态码|動態碼"
    r"|認証コード|確認コード|認証番号|ワンタイムパスワード|(?:смс|sms)[ -]?код|код\w? (?:подтверждени[яе]|из смс|доступа|безопасности|от|входа)"
    r"|kode (?:otp|verifikasi|sms|akses|keamanan|masuk)|c[oó]digo de (?:verifica\w+|seguran[cç]a|seguridad|acesso|acceso|confirma\w+)"
    r"|code (?:secret|confidentiel|de (?:vérification|sécurité|confirmation)|d'accès|sms|reçu)|كود (?:ال)?(?:تحقق|تفعيل|دخول)"
    r"|رمز (?:ال)?(?:تحقق|تفعيل|دخول|أمان|امان)|(?:सत्यापन|वेरिफिकेशन) कोड)"
)
"""What digits follow."""
PHRASE = (
    r"(?:(?:seed|recovery|mnemonic|backup|secret|restore)[ -]?(?:phrase|words?|key)|pass ?phrase|mnemonic|(?<![a-z])seed(?=\s?[:=])"
    r"|助记词|助記詞|助记码|恢复短语|合言葉|合い言葉|秘密の言葉|リカバリーフレーズ|シードフレーズ|復元フレーズ|ニーモニック"
    r"|(?:seed|сид)[ -]?фраз[аыу]|(?:секретн|кодов|мнемоническ|парольн)\w{2} (?:фраз\w|слов\w)|phrase (?:secrète|de (?:récupération|passe))|mot secret"
    r"|frase (?:semilla|secreta|de (?:recuperaci[oó]n|recuperação|segurança))|palabra (?:secreta|clave)|palavra secreta|wiederherstellungs(?:phrase|wörter)"
    r"|codewort|losungswort|code ?word|safe ?word|(?:kata|frasa) (?:kunci|rahasia|pemulihan)|(?:ال)?عبارة (?:ال)?(?:سرية|استرداد|استعادة)"
    r"|(?:ال)?كلمة (?:ال)?سرية|सीड फ्रेज|गुप्त शब्द|रिकवरी फ्रेज)"
)
"""What words follow."""
WORD = r"(?:кодов|секретн)\w+ слов|codewort|losungswort|code ?word|safe ?word|合言葉|合い言葉|言葉$|palabra|palavra|mot secret|kata|كلمة|शब्द"
"""Which of them one word follows."""
PLAIN_CODE = r"(?<![^\W\d_])(?:codes?|c[oó]digo|код|kode|कोड|(?:ال)?كود|(?:ال)?رمز)(?![^\W\d_])"
"""What may be any code: only four to eight digits after a copula count."""
NO_CODE = (
    r"(?:error|err|fehler|erreur|ошибк\w|エラー|错误|錯誤|خطأ|त्रुटि|एरर|kesalahan|galat|erro|status|http|exit|zip|post\w*|postal|area|country"
    r"|bar|qr|promo\w*|source|dress|país|pays|land|vorwahl|pos|indeks|цвет\w*|stop)[ -]?(?:de |do |d')?$"
)
"""What is before such a word where no door opens with the code."""

IS = (
    r"(?:c'est|'s|is|was|were|are|ist|war|lautet|lautete|hei(?:ß|ss)t|es|era|é|eh|est|était|это|был|была|adalah|itu|ialah|yaitu"
    r"|就是|是|为|為|は|が|है|था|थी|हैं|هي|هو|كان|كانت|used|using|from|to|genommen|set to|changed to|—|-|–)"
)
MARK = r"(?:[:=]{1,2}|[-=~]>|[→➡⇒➜▶☞👉｜|»]\ufe0f?[\U0001f3fb-\U0001f3ff]?)"
QUOTES = {
    '"': '"', "'": "'", "“": "”", "«": "»", "„": "“", "‘": "’", "「": "」", "『": "』", "”": "”", "《": "》", "`": "`",
}  # fmt: skip
"""What opens a quotation, and what closes it."""

OF = frozenset(
    split(
        "for of my the to on wifi app account do da de del la el mi meu minha mon ma für mein meine zum von der des "
        "das bank banco compte box conta cuenta cartão tarjeta carte от для мой моя моего saya aku ku gue buat untuk "
        "akun bb atm kartu wlan мне вай-фая вайфая аккаунта حقي حقتي تبعي بتاعي حسابي الخاص بي الحساب मेरा मेरी का की "
        "wi-fi email mail login new old neues altes nouveau nuevo novo lama baru новый старый phone handy"
    )
)
"""What may stand between a word and `:` where words follow."""

SUBJECTS = frozenset(
    split(
        "field required optional missing link button page screen email e-mail mail reset-link login log app manager prompt box form feature "
        "option autofill requirements strength error problem issue loop recovery change update sms dialog popup "
        "protection policy feld pflichtfeld knopf seite bildschirm anmeldung fehler zurücksetzen abfrage eingabe änderung "
        "funktion reset-mail champ lien bouton écran connexion erreur oubliée oublié demande réinitialisation campo "
        "enlace botón pantalla correo inicio recuperación olvidada botão tela erro recuperação esqueceu поле ссылка "
        "кнопка экран почта вход ошибка сброс восстановление письмо приходит kolom tautan tombol layar masuk lupa "
        "ganti pulih حقل رابط زر شاشة خطأ استعادة نسيان फ़ील्ड लिंक बटन स्क्रीन त्रुटि रीसेट बदलने बदलना doesnt dont "
        "wont isnt cant accepted rejected asks nothing everything fingerprint face touch id code pin token password "
        "passwort"
    )
)
"""What a sentence about a password speaks of: where one of these follows, no secret does."""

ENDS = PROSE | frozenset(
    split(
        "wird werden wurde funktioniert rejected doesnt isnt wont cant dont refused denied gets got does abgelehnt "
        "nimmt refusé refusée marche fonctionne pas rechazada funciona sirve jala recusada ditolak bisa katanya kok "
        "malah terus selalu sering salah invalide incorrect incorrecte inkorrekt ungültig inválida inválido "
        "неправильный неправильно ошибка never отклоняют отклоняет работает подходит принимает принимают пишет выдает "
        "but aber mais mas pero tapi но please bitte pls plz svp favor tolong пожалуйста to unlock and und et y e dan "
        "и और و thanks danke merci gracias obrigado"
    )
)
"""Where a secret of several words ends."""

JOINING = frozenset(["and", "und", "et", "y", "e", "i", "dan", "и", "و", "और", "или", "o", "oder", "or"])
"""What may join the last two words of a secret."""

TELLS = Words(
    "pass", "pasw", "psw", "pssw", "pwd", "pw", "pin", "nip", "пин", "token", "secr", "key", "otp", "2fa", "mfa", "cvv", "cvc", "cvn", "puk", " tan", "mtan",
    "contra", "clave", "senha", "mdp", "sandi", "парол", "пасс", "密", "口令", "パス", "ﾊﾟｽ", "暗証", "暗证",
    "كلم", "باس", "पास", "पिन", "कूट", "ओटीपी", "सीवीवी", "seed", "сид", "mnemonic", "code", "код",
    "码", "碼", "コード", "認証", "kode", "código", "codigo", "السري", "سري", "كود", "رمز", "कोड", "phrase", "фраз", "слов",
    "frase", "palabra", "palavra", "助记", "助記", "短语", "言葉", "フレーズ", "ニーモニック", "geheimzahl",
    "wort", "word", "login", "логин", "zugangsd", "creden", "rahasia", "kunci", "عبارة", "गुप्त", "फ्रेज", "schlüssel",
)  # fmt: skip
"""Without one of these no secret is in a text."""

SAID_PLAINLY = Words(
    "phrase", "фраз", "слов", "frase", "palabra", "palavra", "word", "wort", "mot secret", "kata ", "助", "言葉", "عبارة", "कूट", "गुप्त",
)  # fmt: skip
"""After one of these a secret may follow that has neither a digit nor a sign."""
