"""The hosts of well-known sources of visits: webmon's own table of facts.

A host is written whole (`news.ycombinator.com`, which covers what stands before it as well) or as a name that is
registered under many suffixes (`google.*`: google.de, google.co.uk). The most specific entry wins.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Known(NamedTuple):
    name: str
    medium: str


_SEARCH = {
    "1und1": ("suche.1und1.de", "search.1und1.de"),
    "AOL": ("aol.*", "aolsearch.com"),
    "Ask": ("ask.*", "search-results.com", "askkids.com"),
    "Babylon": ("search.babylon.com", "searchassist.babylon.com", "isearch.babylon.com"),
    "Baidu": ("baidu.*",),
    "Bing": ("bing.*", "cn.bing.com"),
    "Brave": ("search.brave.com",),
    "Coc Coc": ("coccoc.com",),
    "Daum": ("search.daum.net",),
    "Dogpile": ("dogpile.com",),
    "DuckDuckGo": ("duckduckgo.*", "ddg.gg"),
    "Ecosia": ("ecosia.org",),
    "Excite": ("excite.*",),
    "Google": ("google.*", "googleusercontent.com"),
    "Haosou": ("so.com", "haosou.com"),
    "Kagi": ("kagi.com",),
    "Lycos": ("lycos.*",),
    "MSN": ("msn.*",),
    "Marginalia": ("search.marginalia.nu", "marginalia-search.com"),
    "Meta.ua": ("meta.ua",),
    "MetaGer": ("metager.*",),
    "Mojeek": ("mojeek.*",),
    "Naver": ("naver.*", "search.naver.com"),
    "Petal Search": ("petalsearch.com",),
    "Presearch": ("presearch.com", "presearch.org"),
    "Qwant": ("qwant.com",),
    "Rambler": ("rambler.ru",),
    "Seznam": ("seznam.cz", "search.seznam.cz"),
    "Sogou": ("sogou.com",),
    "Startpage": ("startpage.com", "startpage.nl"),
    "Swisscows": ("swisscows.*",),
    "T-Online": ("suche.t-online.de", "brisbane.t-online.de"),
    "Voila": ("voila.fr",),
    "WebCrawler": ("webcrawler.com",),
    "Yahoo!": ("yahoo.*", "yahoo.net"),
    "Yandex": ("yandex.*", "ya.ru"),
    "You.com": ("you.com",),
}
_SOCIAL = {
    "Badoo": ("badoo.com",),
    "Bluesky": ("bsky.app", "go.bsky.app"),
    "Dailymotion": ("dailymotion.com",),
    "Discord": ("discord.com", "discordapp.com", "discord.gg"),
    "Facebook": ("facebook.*", "fb.com", "fb.me", "messenger.com"),
    "Flickr": ("flickr.com",),
    "Foursquare": ("foursquare.com",),
    "GitHub": ("github.com",),
    "Hacker News": ("news.ycombinator.com", "hackerweb.app"),
    "Hatena": ("b.hatena.ne.jp",),
    "Instagram": ("instagram.com", "ig.me"),
    "Kakao": ("kakao.com",),
    "Line": ("line.me",),
    "LinkedIn": ("linkedin.*", "lnkd.in"),
    "LiveJournal": ("livejournal.*",),
    "Lobsters": ("lobste.rs",),
    "Mastodon": (
        "mastodon.*",
        "mastodon.social",
        "mastodon.online",
        "mstdn.social",
        "mas.to",
        "fosstodon.org",
        "hachyderm.io",
        "infosec.exchange",
        "chaos.social",
        "social.tchncs.de",
    ),
    "Medium": ("medium.com",),
    "Meetup": ("meetup.com",),
    "Mixi": ("mixi.jp",),
    "Nextdoor": ("nextdoor.*",),
    "Odnoklassniki": ("odnoklassniki.ru", "ok.ru"),
    "Pinterest": ("pinterest.*", "pin.it"),
    "Product Hunt": ("producthunt.com",),
    "Quora": ("quora.com",),
    "Reddit": ("reddit.com", "redd.it"),
    "Renren": ("renren.com",),
    "Skype": ("skype.com",),
    "Slack": ("slack.com",),
    "Snapchat": ("snapchat.com",),
    "Sourceforge": ("sourceforge.net",),
    "Stack Overflow": ("stackoverflow.com",),
    "StumbleUpon": ("stumbleupon.com",),
    "Telegram": ("telegram.org", "telegram.me", "t.me", "web.telegram.org"),
    "Threads": ("threads.net", "threads.com"),
    "TikTok": ("tiktok.com", "vm.tiktok.com"),
    "Tumblr": ("tumblr.com", "t.umblr.com"),
    "Twitch": ("twitch.tv",),
    "Twitter": ("twitter.com", "t.co", "x.com"),
    "Viadeo": ("viadeo.com",),
    "Viber": ("viber.com",),
    "Vimeo": ("vimeo.com",),
    "Vkontakte": ("vk.com", "vk.ru", "vkontakte.ru"),
    "WeChat": ("wechat.com", "weixin.qq.com"),
    "Weibo": ("weibo.com", "weibo.cn", "t.cn"),
    "WhatsApp": ("whatsapp.com", "wa.me"),
    "Workplace": ("workplace.com",),
    "XING": ("xing.com",),
    "Youtube": ("youtube.*", "youtu.be", "youtube-nocookie.com"),
}
_CHATBOT = {
    "Character.AI": ("character.ai",),
    "ChatGPT": ("chatgpt.com", "chat.openai.com", "chat.com"),
    "Claude": ("claude.ai", "claude.com"),
    "DeepSeek": ("chat.deepseek.com", "deepseek.com"),
    "Duck.ai": ("duck.ai",),
    "Google Gemini": ("gemini.google.com", "bard.google.com"),
    "Google NotebookLM": ("notebooklm.google.com",),
    "Grok": ("grok.com", "grok.x.ai", "x.ai"),
    "Kimi": ("kimi.com", "kimi.moonshot.cn"),
    "Le Chat": ("chat.mistral.ai",),
    "Meta AI": ("meta.ai",),
    "Microsoft Copilot": ("copilot.microsoft.com", "copilot.cloud.microsoft", "m365.cloud.microsoft"),
    "Perplexity": ("perplexity.ai", "pplx.ai"),
    "Phind": ("phind.com",),
    "Pi": ("pi.ai",),
    "Poe": ("poe.com",),
    "Qwen": ("chat.qwen.ai", "qwen.ai"),
}
_EMAIL = {
    "Bluewin": ("bluewin.ch",),
    "Fastmail": ("fastmail.com", "app.fastmail.com"),
    "GMX": ("gmx.*", "deref-gmx.*"),
    "Gmail": ("mail.google.com", "inbox.google.com"),
    "Mail.com": ("mail.com", "deref-mail.com"),
    "Mail.ru": ("e.mail.ru", "touch.mail.ru"),
    "Outlook": ("outlook.*", "mail.live.com", "outlook.live.com", "outlook.office.com", "outlook.office365.com"),
    "Posteo": ("posteo.de",),
    "Proton": ("proton.me", "protonmail.com"),
    "QQ Mail": ("mail.qq.com",),
    "Web.de": ("web.de", "deref-web.de"),
    "Yahoo! Mail": ("mail.yahoo.*", "mail.yahoo.net"),
    "Zoho Mail": ("mail.zoho.*",),
    "iCloud Mail": ("icloud.com",),
}
_PAID = {
    "Google": (
        "adsensecustomsearchads.com",
        "googlesyndication.com",
        "googleadservices.com",
        "doubleclick.net",
        "syndicatedsearch.goog",
    ),
    "Outbrain": ("outbrain.com",),
    "Taboola": ("taboola.com",),
    "Criteo": ("criteo.com",),
}
_SITES = {
    "Google Accounts": ("accounts.google.com",),
    "Google Docs": ("docs.google.com", "drive.google.com", "sites.google.com"),
    "Google Groups": ("groups.google.com",),
    "Google News": ("news.google.com",),
    "Google Play": ("play.google.com",),
    "Linktree": ("linktr.ee",),
    "Microsoft 365": ("office.com", "sharepoint.com", "teams.microsoft.com", "teams.cloud.microsoft"),
    "Wikipedia": ("wikipedia.org", "wikipedia.com"),
}

# A mail program in the browser, whoever runs it: webmail1m.example, lightmailer-bap.example, mail02.example.
WEBMAIL_LABEL = re.compile(
    r"(?:web|e|light|my)?-?mail(?:er|business|box)?\d*[a-z]?(?:-\w+)?|messagerie\w*|owa|roundcube"
)
# Those who run one, by registered name.
WEBMAIL_HOSTS = {
    "freenet": "Freenet",
    "ionos": "Ionos",
    "libero": "Libero",
    "orange": "Orange Webmail",
    "t-online": "T-Online",
    "tim": "TIM",
    "virgilio": "Virgilio",
    "vodafone": "Vodafone",
}

# What people write as utm_source, besides the name itself.
ALIASES = {
    "adwords": "Google",
    "bluesky": "Bluesky",
    "chatgpt": "ChatGPT",
    "copilot": "Microsoft Copilot",
    "fb": "Facebook",
    "gemini": "Google Gemini",
    "gmail": "Gmail",
    "hackernews": "Hacker News",
    "hn": "Hacker News",
    "ig": "Instagram",
    "insta": "Instagram",
    "meta": "Facebook",
    "openai": "ChatGPT",
    "tt": "TikTok",
    "tw": "Twitter",
    "vk": "Vkontakte",
    "whats app": "WhatsApp",
    "x": "Twitter",
    "x (twitter)": "Twitter",
    "yahoo": "Yahoo!",
    "youtube": "Youtube",
    "yt": "Youtube",
}

# Apps, by a word of their package's name (android-app://com.reddit.frontpage).
APPS = {
    "bing": "Bing",
    "discord": "Discord",
    "duckduckgo": "DuckDuckGo",
    "facebook": "Facebook",
    "instagram": "Instagram",
    "linkedin": "LinkedIn",
    "outlook": "Outlook",
    "pinterest": "Pinterest",
    "reddit": "Reddit",
    "slack": "Slack",
    "snapchat": "Snapchat",
    "telegram": "Telegram",
    "tumblr": "Tumblr",
    "twitter": "Twitter",
    "whatsapp": "WhatsApp",
    "youtube": "Youtube",
    "yandex": "Yandex",
}
APP_PACKAGES = {
    "com.google.android.gm": "Gmail",
    "com.google.android.googlequicksearchbox": "Google",
    "com.zhiliaoapp.musically": "TikTok",
    "com.openai.chatgpt": "ChatGPT",
    "com.anthropic.claude": "Claude",
    "io.syncapps.lemmy_sync": "Lemmy",
}

_BY_MEDIUM = {
    "search": _SEARCH,
    "social": _SOCIAL,
    "chatbot": _CHATBOT,
    "email": _EMAIL,
    "paid": _PAID,
    "referral": _SITES,
}
BY_HOST = {
    host: Known(name, medium)
    for medium, table in _BY_MEDIUM.items()
    for name, hosts in table.items()
    for host in hosts
}
# Google is a search engine first, and runs advertisements besides.
MEDIUM_OF = {name: medium for medium, table in reversed(_BY_MEDIUM.items()) for name in table}
# Lower-case names and aliases, to the name as it is shown.
BY_NAME = {name.lower(): name for name in MEDIUM_OF} | ALIASES

# What the channels ask for besides: names as shown, or the registered name of a host, in lower case.
SHOPPING = frozenset(
    {
        "alibaba",
        "aliexpress",
        "allegro",
        "amazon",
        "bestbuy",
        "ebay",
        "etsy",
        "flipkart",
        "google shopping",
        "idealo",
        "igshopping",
        "kaufland",
        "mercadolibre",
        "otto",
        "rakuten",
        "shein",
        "shopify",
        "shopzilla",
        "target",
        "temu",
        "walmart",
        "wayfair",
        "zalando",
    }
)
VIDEO = frozenset({"bilibili", "dailymotion", "hulu", "netflix", "rutube", "twitch", "vimeo", "wistia", "youtube"})
MORE_SOCIAL = frozenset(
    {
        "9gag",
        "clubhouse",
        "dev.to",
        "douban",
        "imgur",
        "indiehackers",
        "lemmy",
        "product hunt",
        "producthunt",
        "social",
        "steamcommunity",
        "substack",
        "zhihu",
    }
)
