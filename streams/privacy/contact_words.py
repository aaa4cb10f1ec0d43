"""Patterns of words by which somebody is reached, in eleven languages."""

DOMAINS = (
    r"(?:com|org|net|info|biz|edu|gov|mil|app|dev|shop|store|online|site|club|xyz|top|link|page|live|social|cloud|tech"
    r"|blog|news|asia|example|test|de|fr|es|pt|br|ru|рф|cn|jp|in|id|sa|eg|ae|uk|us|eu|ch|at|be|nl|it|mx|ar|cl|co|pe|ca"
    r"|au|nz|za|io|ai|me|tv|hk|tw|sg|my|ph|kr|ua|by|kz|tr|ir|pk|pl|se|no|dk|fi)"
)
"""Top-level domains."""
NO_HOST = r"(?:at|as|am|be|by|do|in|is|it|me|my|no|so|to|us|la|se|si|un|et|tu|js|md|py|rs|sh|ps|cc|pm)"
"""Those that are words or endings of files too."""
DOT = r"(?:dot|dott?|punkt|punto|ponto|point|pt|точка|тчк|titik|點|点|ドット|どっと|डॉट|डाट|बिंदु|دوت|نقطة|نقطه|d0t)"
"""What people say for a dot."""
SIGN = (
    r"(?:underscore|under ?score|under ?line|dash|hyphen|minus|plus|unterstrich|bindestrich|tiret(?: du (?:bas|six|6|8|huit))?|souligné"
    r"|gui[oó]n(?: bajo)?|barra baja|sub ?guion|traço|hífen|sublinhado|underlain|нижнее подчеркивание|подчеркивание|подчёркивание|дефис"
    r"|тире|минус|garis bawah|strip|setrip|下划线|底線|杠|横杠|アンダーバー|アンダースコア|ハイフン|शरतिया|अंडरस्कोर|डैश|हाइफन"
    r"|شرطة(?: سفلية)?|اندرسكور|أندرسكور)"
)
"""What people say for _ and -."""
AT_SPACED = (
    r"(?:ät|aet|arr?oba|arobase?|arobas|a rond|chiocciola|собака|собачка|сабака|klammeraffe|affenschwanz|a commercial|at[- ]?sign"
    r"|(?:at|@) (?:the )?rate(?: of)?|एट(?: (?:द|दी|थे) रेट)?|ऐट(?: द रेट)?|अट(?: द रेट)?|a ?keong|keong|آت|ات|أت|إت)"
)
"""What people say for @ between blanks."""
AT_BESIDE = r"(?:アットマーク|アット|あっとまーく|あっと|艾特|圈a|圈A|小老鼠)"
"""What people say for @ without blanks."""
PROVIDER = (
    r"(?:g(?:oogle)?[ -]?mail|hot ?mail|yahoo|outlook|live|msn|i?cloud|proton(?:mail)?|gmx|web|t-online|freenet|(?:fox|ya|hush|tuta)?mail"
    r"|yandex|rambler|aol|qq|163|126|139|189|sina|sohu|orange|free|sfr|wanadoo|laposte|uol|bol|terra|sapo|rediff(?:mail)?|naver|docomo"
    r"|softbank|ezweb|au|nifty|zoho|fastmail|ymail|tutanota|posteo|arcor|inbox|list|bk|libero|ukr|telkom|яндекс|ямейл|майл|мэйл|мейл"
    r"|гмейл|гмаил|джимейл|рамблер|аутлук|хотмейл|जीमेल|याहू|याहु|हॉटमेल|आउटलुक|रेडिफ|جيميل|جميل|ياهو|هوتميل|اوتلوك|谷歌邮箱|ヤフー"
    r"|ジーメール|グーグル)"
)
"""Who gives people addresses."""
HOSTERS = (
    r"(?:github|gitlab|itch)\.io|(?:wordpress|blogspot|tumblr|myshopify|substack|wixsite|weebly|bandcamp|livejournal|medium|squarespace"
    r"|tistory|over-blog|canalblog|jimdo(?:free|site)|hatenablog|fc2|deviantart|ucoz|bigcartel|etsy|webnode|notion|strikingly|webflow"
    r"|netlify|vercel|herokuapp|firebaseapp|ghost|typepad|home\.blog|duckdns|ddns|synology|myfritz)\.(?:com|co|net|org|jp|ru|site|me|io|app|page|fr|de)"
    r"|carrd\.co|narod\.ru|booth\.pm|beacons\.ai|business\.site|lnk\.bio|web\.app|pages\.dev|canva\.site|mystrikingly\.com|lojavirtualnuvem\.com\.br"
    r"|taobao\.com|1688\.com|cocolog-nifty\.com|seesaa\.net|exblog\.jp|ameblo\.jp|base\.shop|thebase\.in|stores\.jp|dreamwidth\.org|neocities\.org"
)
"""Who gives people sites below their name."""
_SITE = (
    r"(?:web ?sites?|web ?seite|site|home ?page|blog|shop|store|page|portf[oó]lio|domain|seite|laden|boutique|página|pagina|tienda|loja"
    r"|toko|situs|laman|webshop|landing|сайт\w?|магазин\w?|блог\w?|страниц\w|домен\w?|cv|url|channel|forum|wiki|wordpress|server)"
)
MY_SITE = (
    rf"(?:(?<![^\W\d_])(?:my|our|mein\w{{0,2}}|unser\w{{0,2}}|mon|ma|notre|mi|nuestra|meu|minha|nosso|nossa|мой|моего|моём|моем|наш\w{{0,3}}|моя|моей|на мо[её]м)"
    rf"\s(?:[^\W\d_]{{1,12}}\s){{0,2}}{_SITE}(?![a-z])|(?<![^\W\d_]){_SITE}\s?(?:saya|ku|aku|gue|kami|pribadi|usaha saya|pessoal|personal|perso)"
    r"|(?:сайт\w?|магазин\w?|блог\w?) (?:наш\w{0,2}|мой|моего)|موقعي|متجري|مدونتي|صفحتي|رابط (?:متجري|موقعي)|(?:मेरी|मेरा|मेरे|हमारी|हमारा)\s(?:\S{1,12}\s){0,2}(?:वेबसाइट|साइट|ब्लॉग|दुकान|शॉप|स्टोर|पेज)"
    r"|(?:我|俺|私|うち|自分|僕|当店|个人|個人|弊社)(?:的|の|家|们|達)?.{0,6}?(?:网站|網站|网店|網店|博客|网页|網頁|主页|店铺|小店|官网|域名|サイト|ブログ|ホームページ|HP|ショップ|店|ページ))"
)
"""What somebody calls a site of their own."""
ASKED = (
    r"(?:id|name|user ?name|user|login|nickname|benutzername|usern|identifiant|username(?:nya)?|arroba|handle|account|nick(?:name)?|profile|gamertag|tag|konto|name lautet|号|號|账号|帳號"
    r"|アカウント|ユーザー名|usuario|usuário|cuenta|conta|compte|pseudo|akun|ник|логин|حساب|معرف|आईडी)"
)
"""What a name at a network is called."""
IS = r"(?:is|was|ist|war|heißt|heisse|como|sous|under|unter|as|with|con|com|avec|mit|dengan|namanya|nama|под|ник|名是|就是|搜|叫|でも|では|で|の|اسمه|اسمي|باسم|على|पर|lautet|heißt|c'est|saya|aku|ku|es|é|est|adalah|это|是|は|が|है|هو|هي|me|mich|add|unter|на|на меня)"
"""What is between a network and a name there."""
