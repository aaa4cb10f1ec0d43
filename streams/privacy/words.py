"""Words that say what a number or a name beside them is, in eleven languages, in lower case."""


class Words(tuple[str, ...]):
    """Words in lower case, and which of them to ask for: not those that hold another, of a text in ASCII those in ASCII."""

    needles: tuple[str, ...]
    ascii: tuple[str, ...]

    def __new__(cls, *words: str) -> "Words":
        """From the words themselves."""
        new = super().__new__(cls, words)
        new.needles = tuple(
            word for word in dict.fromkeys(words) if not any(other in word and other != word for other in words)
        )
        new.ascii = tuple(filter(str.isascii, new.needles))
        return new


def holds(words: Words, low: str) -> bool:
    """Whether a text in lower case holds any of the words, also within other words."""
    return any(map(low.__contains__, words.ascii if low.isascii() else words.needles))


def split(text: str) -> list[str]:
    """The words of a table."""
    return text.split()


PHONE_WORDS = frozenset(
    split(
        "phone telephone tel mobile cell call text fax hotline whatsapp wa sms telefon telefonnummer handy handynummer "
        "mobil rufnummer durchwahl festnetz téléphone tél portable téléphoner teléfono telefono celular móvil tlf cel "
        "fono llámame telefone zap telepon telp hp hubungi nomor тел телефон телефону мобильный мобила номер звоните "
        "звонить вайбер ватсап هاتف هاتفي جوال جوالي موبايل تليفون رقمي واتساب واتس फोन फ़ोन मोबाइल नंबर कॉल व्हाट्सएप"
    )
)
"""Before a telephone number."""

ID_WORDS = frozenset(
    split(
        "bestell auftrags kunden rechnungs vertrags sendungs vorgangs mitglieds buchungs paket folio comprobante boleta remito suscripción abono abonnement abo transaction transaktion transacción transação transaksi txn "
        "receipt quittung beleg belegnummer bon reçu recibo чек чека квитанция квитанции struk subscription awb waybill locator localizador "
        "localizer pnr-code buchungscode lieferung lieferschein retoure rücksendung rma-nr gutschrift mahnung versicherung police pol "
        "devis sinistre livraison retour bordereau boleto nota remessa entrega devolução pedidos solicitud solicitação radicado trámite "
        "envio seguimiento guia paquete código-de-pedido отправление отправления отправлению артикул доставка доставки возврат возврата "
        "транзакция транзакции платеж платёж платежа счет-фактура ттн заявление кейс pemesanan booking paket pengiriman transfer pembayaran "
        "kirim member nasabah laporan aduan komplain polis nopol إيصال ايصال معاملة المعاملة عملية العملية توصيل اشتراك الاشتراك شحنتي "
        "طلبيتي تذكرتي عضوية العضوية مرجع المرجع بوليصة रसीद लेनदेन ट्रांजैक्शन डिलीवरी पार्सल रिफंड सब्सक्रिप्शन मेंबरशिप कंप्लेंट "
        "रेफरेंस ref# loyalty meter zähler zählernummer employee staff student matrikel matrikelnummer patient patientennummer patienten "
        "ahv ahv-nr uid ust ustid vat gst abn tfn hkid nric cedula dpi ruc cuil rne rnm pesel bsn personnummer cnss cmu амка сертификат "
        "свидетельство свидетельства омс табельный личный лицевой лицевого giro compte-client badge uid login-id sort perso kd kdnr order purchase invoice customer client account acct ticket case reference ref booking reservation tracking "
        "shipment parcel membership member policy contract claim complaint confirmation pnr rma sku serial bestellung "
        "bestellnummer bestellnr auftrag auftragsnummer auftragsnr kunde kundennummer kundennr kunden rechnung "
        "rechnungsnummer rechnungsnr sendung sendungsnummer sendungsnr vertrag vertragsnummer vertragsnr vorgang "
        "vorgangsnummer aktenzeichen buchung buchungsnummer mitgliedsnummer mitgliedsnr paketnummer ticketnummer konto "
        "kontonummer kontonr blz bankleitzahl commande facture dossier colis suivi réservation contrat abonné adhérent "
        "compte cliente pedido factura reserva guía rastreo envío expediente contrato albarán cuenta póliza referencia "
        "incidencia encomenda fatura protocolo rastreio chamado agência agencia conta referência заказ заказа заказу "
        "заказе клиент клиента договор договора трек трека трекномер обращение обращения обращению заявка заявки заявке "
        "тикет бронь брони накладная накладной счет счёт счета счёта посылка посылки полис полиса pesanan resi pelanggan "
        "tiket langganan rekening rek norek invois faktur keluhan طلب الطلب طلبي طلبية الطلبية تتبع التتبع شحنة الشحنة "
        "فاتورة الفاتورة عميل العميل تذكرة التذكرة حجز الحجز حساب الحساب حسابي عقد بلاغ الشكوى شكوى ऑर्डर आर्डर ग्राहक टिकट "
        "शिकायत ट्रैकिंग बुकिंग खाता खाते इनवॉइस बिल पॉलिसी routing iban bsb ifsc clabe pix imei vin cc ssn social nino ni nhs "
        "sin passport licence license dl tin utr ein itin medicare nationality id ident steuer steuerid steuernummer "
        "steueridentifikationsnummer steuernr identifikationsnummer sozialversicherungsnummer svnr "
        "rentenversicherungsnummer ausweis ausweisnummer ausweisnr personalausweis personalausweisnummer reisepass "
        "reisepassnummer führerschein führerscheinnummer krankenkasse krankenversicherungsnummer versichertennummer kvnr "
        "krankenversicherung aufenthaltstitel sécu sécurité nir identité cni passeport permis siret siren fiscal fiscale "
        "vitale dni nie nif cif rut rfc curp pasaporte nss cédula cedula cuit cuil afiliación documento cpf cnpj rg cnh "
        "pis eleitor cidadão contribuinte passaporte utente nis sus identidade паспорт паспорта снилс инн огрн омс "
        "водительское права удостоверение загранпаспорт загранпаспорта серия прав nik ktp npwp sim paspor kk bpjs nisn "
        "الهوية هوية هويتي القومي الوطني الوطنية جواز السفر جوازي إقامة اقامة الإقامة الاقامة إقامتي رخصة الرخصة القيادة "
        "بطاقة आधार aadhaar aadhar adhaar पैन pan voter epic मतदाता पहचान पासपोर्ट लाइसेंस राशन"
    )
)
"""Before a number of an order, a customer, an account, a document, a device."""

PHONE_ENDS = (
    "电话", "手机", "手机号", "联系方式", "致电", "電話", "電話番号", "携帯", "携帯番号", "でんわ", "ファックス",
)  # fmt: skip
"""How a word before a telephone number ends, in scripts without spaces."""

ID_ENDS = (
    "订单", "单号", "單號", "訂單", "編號", "快遞", "運單", "客戶", "會員", "工單", "票號", "帳號", "帳戶", "流水號", "合約", "取件碼", "物流",
    "预订", "預訂", "預約", "预约", "发票", "發票", "退款", "售后", "記号", "管理", "配送", "荷物", "送り状", "領収書", "請求書", "申込", "登録",
    "社員", "学籍", "診察券", "会員証", "オーダー", "チケット", "ケース", "患者", "病历", "社保号", "快递", "运单", "客户", "会员", "工单", "票号", "编号", "卡号", "账号", "帐号", "账户",
    "合同", "流水", "学号", "工号", "号码", "號碼", "保单", "取件码", "注文", "お客様", "会員", "伝票", "追跡",
    "予約", "問い合わせ", "問合せ", "契約", "受付", "顧客", "口座", "証券", "身份证", "身份證", "身分证", "护照",
    "護照", "社保", "驾驶证", "驾照", "通行证", "税号", "信用代码", "マイナンバー", "個人番号", "免許証", "免許",
    "パスポート", "旅券", "保険証", "被保険者", "在留カード", "基礎年金", "年金", "住民票", "シリアル", "nummer",
    "nummern", "kennung", "nr", "номера",
)  # fmt: skip
"""How a word before any other number ends: scripts without spaces, and compounds."""

ANNOUNCING = frozenset(split("is ist lautet es é est это adalah है هو هي ends ending серия серии"))
"""Those of the others that announce a number."""

MARKERS = frozenset(
    split(
        ": = # № n n.º º no nr num number nbr № # nº n° numéro numero número nummer номер номером id code code: رقم رقمه नंबर नम्बर आईडी "
        "संख्या nomor nomer no: card card's key carte karte"
    )
)
"""What announces a number beside the word for it."""

LINKS = frozenset(
    split(
        "ends ending in is was ist lautet es é est são это adalah है हैं هو هي der die das de du da del la le my mein the of with mit"
    )
)
"""What may stand between the word and its number."""

CJK_LINKS = (
    "番号", "尾号", "尾號", "末尾", "是", "为", "為", "は", "が", "の", "：", "号", "號", "码", "碼", "证", "番", "コード", "です",
)  # fmt: skip
"""The same at the end of a word, in scripts without spaces; the longest first."""

CJK_MARKED = (
    "号", "號", "番号", "码", "碼", "番", "コード", "是", "は", "末尾",
)  # fmt: skip
"""Those that announce a number."""

ABBREVIATED = (
    "no.", "nr.", "num.", "tel.", "тел.", "ref.", "telp.", "tél.", "acct.", "nbr.", "kundennr.", "n.", "hp.",
    "tlf.",
)  # fmt: skip
"""What ends with a dot and ends no sentence."""

NETWORKS = Words(
    "telegram", "tele", "instagram", "insta", "snapchat", "snap", "skype", "discord", "wechat", "weixin", "twitter",
    "facebook", "whatsapp", "tiktok", "viber", "signal", "kakaotalk", "kakao", "threema", "mastodon", "bluesky",
    "twitch", "steam", "xbox", "psn", "gamertag", "linkedin", "messenger", "icq", "kik", "line id", "line account",
    "zalo", "bbm", "tg", "ig", "vk", "fb", "vx", "wx", "qq", "телеграмм", "телеграм", "телега", "телеге",
    "инстаграм", "инстаграме", "инста", "инсте", "скайп", "скайпе", "дискорд", "дискорде", "вайбер", "ватсап", "тг",
    "вк", "вконтакте", "ник", "никнейм", "логин", "微信号", "微信", "威信", "薇信", "加v", "v信", "抖音号", "抖音",
    "微博", "企鹅", "小红书号", "ライン", "インスタ", "ツイッター", "ディスコード", "スカイプ", "カカオ", "سناب",
    "سناب شات", "انستا", "انستقرام", "انستغرام", "تلجرام", "تيليجرام", "تليجرام", "تلغرام", "تويتر", "واتساب",
    "سكايب", "ديسكورد", "فيسبوك", "टेलीग्राम", "इंस्टाग्राम", "इंस्टा", "व्हाट्सएप", "फेसबुक", "स्नैपचैट", "डिस्कॉर्ड", "स्काइप",
    "ट्विटर", "roblox", "epic", "fortnite", "minecraft", "riot", "battletag", "battle.net", "playstation", "nintendo", "venmo",
    "cashapp", "cash app", "github", "reddit", "pinterest", "threads", "soundcloud", "strava", "duolingo", "tinder", "onlyfans",
    "user name", "username", "user id", "userid", "benutzername", "nutzername", "usuario", "usuário", "nom d'utilisateur",
    "identifiant", "pseudo", "nickname", "nick", "одноклассники", "ютуб", "тикток", "вотсап", "вацап", "контакте",
    "телеге", "телеграме", "тгшка", "тг", "имя пользователя", "юзернейм", "用户名", "ユーザー名", "ユーザーid", "ユーザid", "扣扣",
    "v我", "加微", "➕v", "+v", "vx号", "wx号", "薇", "快手号", "小红书", "快手", "知乎", "b站", "スナチャ", "ティックトック",
    "テレグラム", "フェイスブック", "اسم المستخدم", "يوزر", "يوزري", "سنابي", "انستاي", "انستقرامي", "تلقرام", "تيليقرام", "تلي", "تيك توك",
    "تيكتوك", "يوزرنيم", "यूज़रनेम", "यूजरनेम", "टेलिग्राम", "इन्स्टा",
)  # fmt: skip
"""Where people have names."""

AT_ALONE = Words(
    "at the rate", "at sign", "a keong", "keong", "एट द", "एट दी", "ऐट द", "एट थे", "小老鼠", "a rond",
    "arroba", "arobas", "chiocciola", "собака", "собачка", "klammeraffe", "affenschwanz", "a commercial", "アット",
    "あっと", "艾特", "圈a", " ät ", " एट ", " ऐट ", " آت ", " ات ", " أت ",
)  # fmt: skip
"""Words for @ that hardly occur beside a host otherwise."""

AT_WITH = Words(
    " dot ", " punkt ", " ponto ", " punto ", " point ", " titik ", " точка ", "mail", "yahoo", "outlook", "gmx", "web", "cloud", "yandex", "aol", "qq", "163", "live",
)  # fmt: skip
"""Without one of these, `at` is no @."""

PROSE = frozenset(
    split(
        "a an the is was are be been not no never and or but it its this that these to of in on for with from by at as i "
        "my me you your we our they he she can cannot can't cant could will would won't does doesn't did didn't don't do "
        "has have had forgot forgotten forget lost reset again wrong incorrect invalid required change changed too very "
        "why how what when please still always only works work working broken fails failed weak same expired missing "
        "empty der die das ist nicht kein keine und oder ich mein meine zu vergessen falsch geht wird immer wieder muss "
        "le la les un une est pas ne et ou je mon ma oublié faux toujours encore el los y o mi que se es olvidé "
        "incorrecta siempre de en os não e eu minha meu esqueci errada incorreta sempre para por yang dan atau tidak lupa "
        "salah saya ini itu di ke не и или я мой моя забыл забыла неверный это на по всегда опять में है नहीं और भूल गया गलत "
        "मेरा का की के को से في من على لا ما أنا نسيت غلط خطأ و لم"
    )
)
"""A sentence about a password has one of these; a passphrase has none."""

PLACE_WORDS = Words(
    "lat", "lon", "lng", "gps", "coord", "koord", "breitengrad", "längengrad", "широт", "долгот", "коорд", "纬度", "经度",
    "緯度", "経度", "坐标", "座標", "东经", "西经", "北纬", "南纬", "東經", "東経", "西経", "北緯", "南緯", "خط العرض", "خط الطول", "احداث", "إحداث", "अक्षांश", "देशांतर", "°",
)  # fmt: skip
"""Before degrees."""
