// What is left behind when a purpose is taken back: the cookies and stored items that the notice lists for it.
import type { Notice } from "../shared/types";

/** Every domain that a cookie which is seen here may have been set for, and none (the host alone). */
export const domains = (host: string): string[] => {
  const labels = host.split(".");
  const above = labels.map((_, index) => labels.slice(index).join("."));
  return ["", ...[...above, `www.${host}`].map((domain) => `;domain=${domain}`)];
};

const escaped = (text: string): string => text.replace(/[.+?^${}()|[\]\\]/g, "\\$&");

/** Remove what the notice lists for these purposes; webmon's own it removes itself. */
export function clear(notice: Notice, purposes: string[]): void {
  const listed = notice.services.flatMap((service) => (service.key === "webmon" ? [] : service.cookies));
  const names = listed.filter((one) => purposes.includes(one.purpose)).map((one) => one.name.split("*").map(escaped).join(".*"));
  if (!names.length) return;
  const pattern = new RegExp(`^(${names.join("|")})$`);
  for (const pair of document.cookie.split("; ")) {
    const name = pair.split("=")[0];
    if (pattern.test(name)) for (const domain of domains(location.hostname)) document.cookie = `${name}=;path=/;max-age=0${domain}${isSecureContext ? ";secure" : ""}`;
  }
  for (const store of ["localStorage", "sessionStorage"] as const) {
    try {
      for (const key of Object.keys(window[store])) if (pattern.test(key)) window[store].removeItem(key);
    } catch {
      // A page may have no storage.
    }
  }
}
