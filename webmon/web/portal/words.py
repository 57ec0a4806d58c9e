"""The words of the visitor's pages that are not a notice's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webmon.domain.handling import InfoClass
from webmon.domain.retention import ENGLISH


@dataclass(frozen=True, slots=True)
class Words:
    language: str
    name: str
    durations: Sequence[Any]
    texts: Mapping[str, str]
    classes: Mapping[InfoClass, str]


EN = Words(
    "en",
    "English",
    ENGLISH,
    {
        "title": "Your privacy on {site}",
        "lead": "What {site} records about visits, what is held about you, and what you decided about it.",
        "unknown_title": "Come here from the website",
        "unknown": "This page does not know which visitor you are, and it did not set a cookie to find out. "
        "Open “Privacy choices” on {site} and follow “What is held about me”. "
        "If you are signed in there, follow the link in your account. Or enter the number of a receipt:",
        "unknown_nothing": "If you refused, or never answered, nothing is held about you here.",
        "receipt_number": "Number of your receipt",
        "open": "Open",
        "choices": "Your choices",
        "choices_none": "No consent of this browser is on record, so nothing is being measured about you.",
        "choices_elsewhere": "This page was opened from your account and does not know this browser's choices. "
        "To see and change them, open “Privacy choices” on {site} and follow “What is held about me”.",
        "choices_since": "Decided on {date}, in force until {until}.",
        "choices_over": "This consent ended on {until}. Nothing is being measured under it.",
        "save": "Save choices",
        "saved": "Your choices are saved; they hold from now on.",
        "withdraw": "Withdraw consent",
        "withdraw_help": "Collection stops at once. What was recorded until now stays until it expires (below).",
        "withdrawn": "Your consent is withdrawn. Collection has stopped.",
        "opted_out": "You have opted out. Nothing is sold, shared or recorded under an identifier.",
        "counted": "Your answer is counted. Nothing is measured under an identifier, sold or shared without consent. "
        "If this browser agreed on the website before, this page does not know of it: withdraw there, or open this "
        "page with the number of your receipt.",
        "object_help": "Leads to {site} and keeps your objection there, in a cookie without any number "
        "(webmon_ignore). It takes JavaScript, as most of the counting does. Without it, let your browser send the "
        "Global Privacy Control: it is honoured for every count.",
        "erase": "Withdraw consent and erase",
        "erase_help": "Collection stops at once, and what was recorded of this browser under your consent is erased.",
        "erased": "Your consent is withdrawn, and what was recorded under it is being erased.",
        "not_erased": "Your consent is withdrawn. Nothing was erased: this page does not know which rows are of your "
        "browser; come here from the website to erase them.",
        "held": "What is held about you",
        "held_none": "Nothing is held about you in the event log.",
        "held_count": "{count} rows under a random number in place of your name, newest first.",
        "account": "From your signed-in visits",
        "account_none": "Nothing is held about your account.",
        "account_count": "{count} rows, stored encrypted under a key of your account alone, opened for you just now.",
        "reads": "Who has read them",
        "you": "you",
        "when": "When (UTC)",
        "what": "What",
        "page": "Page",
        "from": "Came from, by",
        "with": "Browser, system, device, screen and language",
        "screen": "{screen} screen",
        "asks_in": "language {language}",
        "where": "Place",
        "provider": "Internet provider",
        "who": "Who",
        "why": "Why",
        "download": "Download all as JSON",
        "newer": "Newer",
        "older": "Older",
        "receipts": "Your receipts",
        "receipt": "Receipt",
        "receipt_current": "in force",
        "receipt_replaced": "replaced",
        "receipt_download": "Download as JSON",
        "receipt_notice": "Exactly what you were shown",
        "receipt_verify": "The receipt is signed. Anybody can check it, without asking us, with the published key:",
        "given": "granted",
        "refused": "refused",
        "back": "Back",
        "kept": "How long it is kept",
        "kept_for": "kept for {duration}",
        "close": "Close this page on this device",
        "closed": "Closed: this page no longer knows who you are.",
        "contact": "Questions: {contact}",
        "expired": "The form has expired. Please try again.",
        "not_held": "This is no receipt of {site}.",
        "page_view": "Page view",
        "engagement": "Time on page",
        "reason_self": "shown to the person",
        "language": "Language",
        "cookies": "Services and cookies of {site}",
        "cookies_lead": "What {site} stores in your browser or loads from elsewhere, and what for. "
        "Nothing is set for a purpose that you have not allowed.",
        "cookie_name": "Cookie",
        "cookie_purpose": "What it is for",
        "cookie_provider": "Provider",
        "cookie_kept": "Kept for",
        "cookie_party": "Set by",
        "cookie_session": "until the browser is closed",
        "cookie_first": "this website",
        "cookie_third": "another company",
        "cookie_none": "No cookies.",
    },
    {
        InfoClass.EVENT_LOG: "Rows of visits, under a random number",
        InfoClass.ACCOUNT_LOG: "Rows of signed-in visits, encrypted",
        InfoClass.CONSENT_RECORDS: "Consent records",
        InfoClass.AUDIT: "Who did and read what",
    },
)
DE = Words(
    "de",
    "Deutsch",
    (("Jahr", "Jahre"), ("Monat", "Monate"), ("Woche", "Wochen"), ("Tag", "Tage"), " und "),
    {
        "title": "Ihre Privatsphäre auf {site}",
        "lead": "Was {site} über Besuche festhält, was über Sie gespeichert ist und was Sie dazu entschieden haben.",
        "unknown_title": "Kommen Sie von der Website hierher",
        "unknown": "Diese Seite weiß nicht, welcher Besucher Sie sind, und hat kein Cookie gesetzt, um es "
        "herauszufinden. Öffnen Sie auf {site} die „Datenschutz-Einstellungen“ und folgen Sie „Was über mich "
        "gespeichert ist“. Wenn Sie dort angemeldet sind, folgen Sie dem Link in Ihrem Konto. Oder geben Sie die "
        "Nummer eines Belegs ein:",
        "unknown_nothing": "Wenn Sie abgelehnt oder nie geantwortet haben, ist hier nichts über Sie gespeichert.",
        "receipt_number": "Nummer Ihres Belegs",
        "open": "Öffnen",
        "choices": "Ihre Entscheidungen",
        "choices_none": "Von diesem Browser liegt keine Einwilligung vor; es wird nichts über Sie gemessen.",
        "choices_elsewhere": "Diese Seite wurde aus Ihrem Konto geöffnet und kennt die Entscheidungen dieses "
        "Browsers nicht. Um sie zu sehen und zu ändern, öffnen Sie auf {site} die „Datenschutz-Einstellungen“ "
        "und folgen Sie „Was über mich gespeichert ist“.",
        "choices_since": "Entschieden am {date}, gültig bis {until}.",
        "choices_over": "Diese Einwilligung endete am {until}. Unter ihr wird nichts mehr gemessen.",
        "save": "Auswahl speichern",
        "saved": "Ihre Auswahl ist gespeichert und gilt ab jetzt.",
        "withdraw": "Einwilligung widerrufen",
        "withdraw_help": "Die Erfassung endet sofort. Bisher Festgehaltenes bleibt, bis seine Frist abläuft (unten).",
        "withdrawn": "Ihre Einwilligung ist widerrufen. Die Erfassung ist beendet.",
        "opted_out": "Sie haben widersprochen. Nichts wird verkauft, weitergegeben oder unter einer Kennung "
        "festgehalten.",
        "counted": "Ihre Antwort ist gezählt. Ohne Einwilligung wird nichts unter einer Kennung gemessen, verkauft "
        "oder weitergegeben. Wenn dieser Browser auf der Website früher zugestimmt hat, weiß diese Seite davon "
        "nichts: Widerrufen Sie dort, oder öffnen Sie diese Seite mit der Nummer Ihres Belegs.",
        "object_help": "Führt zu {site} und bewahrt Ihren Widerspruch dort auf, in einem Cookie ohne jede Nummer "
        "(webmon_ignore). Dazu braucht es JavaScript, wie für das meiste Zählen. Ohne JavaScript lassen Sie Ihren "
        "Browser die Global Privacy Control senden: Sie wird bei jeder Zählung beachtet.",
        "erase": "Einwilligung widerrufen und löschen",
        "erase_help": "Die Erfassung endet sofort, und was von diesem Browser unter Ihrer Einwilligung festgehalten "
        "wurde, wird gelöscht.",
        "erased": "Ihre Einwilligung ist widerrufen, und was unter ihr festgehalten wurde, wird gelöscht.",
        "not_erased": "Ihre Einwilligung ist widerrufen. Gelöscht wurde nichts: Diese Seite weiß nicht, welche "
        "Zeilen von Ihrem Browser stammen; kommen Sie von der Website hierher, um sie zu löschen.",
        "held": "Was über Sie gespeichert ist",
        "held_none": "Im Ereignisprotokoll ist nichts über Sie gespeichert.",
        "held_count": "{count} Zeilen unter einer Zufallszahl anstelle Ihres Namens, die neuesten zuerst.",
        "account": "Aus Ihren angemeldeten Besuchen",
        "account_none": "Über Ihr Konto ist nichts gespeichert.",
        "account_count": "{count} Zeilen, verschlüsselt gespeichert unter einem Schlüssel nur Ihres Kontos und eben "
        "für Sie geöffnet.",
        "reads": "Wer sie gelesen hat",
        "you": "Sie",
        "when": "Wann (UTC)",
        "what": "Was",
        "page": "Seite",
        "from": "Gekommen von, auf dem Weg",
        "with": "Browser, System, Gerät, Bildschirm und Sprache",
        "screen": "Bildschirm: {screen}",
        "asks_in": "Sprache {language}",
        "where": "Ort",
        "provider": "Internetanbieter",
        "who": "Wer",
        "why": "Warum",
        "download": "Alles als JSON herunterladen",
        "newer": "Neuere",
        "older": "Ältere",
        "receipts": "Ihre Belege",
        "receipt": "Beleg",
        "receipt_current": "gültig",
        "receipt_replaced": "ersetzt",
        "receipt_download": "Als JSON herunterladen",
        "receipt_notice": "Genau das, was Ihnen gezeigt wurde",
        "receipt_verify": "Der Beleg ist signiert. Jeder kann ihn, ohne uns zu fragen, mit dem veröffentlichten "
        "Schlüssel prüfen:",
        "given": "erteilt",
        "refused": "abgelehnt",
        "back": "Zurück",
        "kept": "Wie lange es aufbewahrt wird",
        "kept_for": "{duration} lang aufbewahrt",
        "close": "Diese Seite auf diesem Gerät schließen",
        "closed": "Geschlossen: Diese Seite weiß nicht mehr, wer Sie sind.",
        "contact": "Fragen: {contact}",
        "expired": "Das Formular ist abgelaufen. Bitte versuchen Sie es noch einmal.",
        "not_held": "Das ist kein Beleg von {site}.",
        "page_view": "Seitenaufruf",
        "engagement": "Zeit auf der Seite",
        "reason_self": "der Person selbst gezeigt",
        "language": "Sprache",
        "cookies": "Dienste und Cookies von {site}",
        "cookies_lead": "Was {site} in Ihrem Browser speichert oder von anderswo lädt, und wozu. "
        "Für einen Zweck, den Sie nicht erlaubt haben, wird nichts gesetzt.",
        "cookie_name": "Cookie",
        "cookie_purpose": "Wozu",
        "cookie_provider": "Anbieter",
        "cookie_kept": "Aufbewahrt",
        "cookie_party": "Gesetzt von",
        "cookie_session": "bis der Browser geschlossen wird",
        "cookie_first": "dieser Website",
        "cookie_third": "einem anderen Unternehmen",
        "cookie_none": "Keine Cookies.",
    },
    {
        InfoClass.EVENT_LOG: "Zeilen von Besuchen, unter einer Zufallszahl",
        InfoClass.ACCOUNT_LOG: "Zeilen angemeldeter Besuche, verschlüsselt",
        InfoClass.CONSENT_RECORDS: "Einwilligungen",
        InfoClass.AUDIT: "Wer was getan und gelesen hat",
    },
)
WORDS = {words.language: words for words in (EN, DE)}
