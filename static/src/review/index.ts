// Whether what was decided still answers what is asked: loaded where the notices, or the domain of the cookies, are others
// than those of the choice, and where webmon says that something else was decided elsewhere.
import { domains } from "../banner/clear";
import { own, type Recorder } from "../banner/record";
import type { Choice, Notice, Settings } from "../shared/types";

const DAY = 86400;

/**
 * Take over what holds by the ledger, and return the purposes of the notice that are still to be asked for.
 *
 * Without a notice only the former, for who holds this receipt. Where nobody may be asked, nothing is to be.
 */
export default async (
  record: Recorder,
  settings: Settings,
  base: string,
  choice: () => Choice,
  may: boolean,
  notice?: Notice,
  receipt = choice().receipt,
): Promise<string[]> => {
  const before = choice();
  // Where it was answered anew meanwhile, that is what holds.
  if (!before.decided || before.receipt !== receipt) return [];
  // Whole seconds: what is no whole number is no lifetime.
  const left = (settings.choice_days * DAY + (Date.parse(before.decided!) - Date.now()) / 1000) | 0;

  /** Leave webmon's own cookies on no other domain than the one that they are for by now. */
  const tidy = (): void => {
    for (const [name, seconds] of Object.entries({ consent: left, id: settings.visitor_days * DAY, visit: 1800 })) {
      const value = own(name);
      for (const domain of domains(location.hostname)) document.cookie = `webmon_${name}=;path=/;max-age=0${domain}`;
      record.put(name, value, seconds);
    }
  };

  /** What was decided stays, with its day and its end; where nothing is open, no page looks again. */
  const stay = (asks: string[]): void => {
    const fields = own("consent")!.split("~").slice(0, 5);
    record.put("consent", [...fields, asks[0] ? "" : settings.version].join("~"), left);
  };

  tidy();
  let asks: string[] = [];
  if (receipt) {
    const about = new URLSearchParams({ site: settings.site, language: notice?.language || "" });
    const answer = await fetch(`${base}/api/consent/${encodeURIComponent(receipt)}?${about}`, { credentials: "omit" }).catch(() => undefined);
    // Where webmon cannot be asked, another page will.
    if (!answer || answer.status > 499) return [];
    const now = answer.ok && (await answer.json());
    if (choice().receipt !== receipt) return [];
    // Also where the cookie says otherwise than the ledger: no hit comes through with it.
    const news = !now || now.expired || now.superseded || !notice;
    if (now && !now.expired) {
      if (may) asks = now.ask.map((one: { purpose: string }) => one.purpose);
      const granted = Object.values(now.decisions).some(Boolean);
      if (news) record.keep(now.notice_hash, now.decisions, granted ? now.consent_receipt_id : "");
      stay(asks);
    } else record.forget();
    if (news) record.changed();
  } else {
    // Of a refusal nobody knows but this browser: what it never answered is new.
    if (may) asks = notice!.purposes.filter((one) => !one.required && !(one.key in before)).map((one) => one.key);
    stay(asks);
  }
  return asks;
};
