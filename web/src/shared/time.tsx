// Moments in the reader's time zone, with UTC on hover.

const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const DATE_OF_YEAR = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  year: "numeric",
});
const MINUTE = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const SECOND = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});

/** A moment as date and time; today as the time alone. */
export function Time({ at, withSeconds = false }: { at: string; withSeconds?: boolean }) {
  return (
    <time dateTime={at} title={utc(at)}>
      {localTime(new Date(at), withSeconds)}
    </time>
  );
}

export function localTime(moment: Date, withSeconds = false): string {
  const time = (withSeconds ? SECOND : MINUTE).format(moment);
  const now = new Date();
  if (moment.toDateString() === now.toDateString()) return time;
  const date = moment.getFullYear() === now.getFullYear() ? DATE : DATE_OF_YEAR;
  return `${date.format(moment)}, ${time}`;
}

/** Say how long ago something was, roughly. */
export function Ago({ at }: { at: string }) {
  return (
    <time dateTime={at} title={utc(at)}>
      {ago(Date.now() - Date.parse(at))}
    </time>
  );
}

export function utc(at: string): string {
  return `${new Date(at).toISOString().replace("T", " ").replace("Z", "")} UTC`;
}

function ago(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1_000));
  if (seconds < 10) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`;
  const days = Math.floor(seconds / 86_400);
  return days === 1 ? "yesterday" : `${days} days ago`;
}
