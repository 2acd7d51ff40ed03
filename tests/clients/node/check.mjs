// What a client program says, as check.py has it for those in Python: a line for each check, and exit code 3 if
// one failed.

export const URL = process.env.SYSINFER_URL ?? "http://127.0.0.1:7860";
export const NARROW_URL = process.env.SYSINFER_NARROW_URL;
export const KEYED_URL = process.env.SYSINFER_KEYED_URL;
export const KEY = "sk-of-the-suite";

class Skipped extends Error {}

/** Makes a check, and prints how it went. */
export async function check(name, body) {
  try {
    await body();
    console.log(`ok      ${name}`);
  } catch (error) {
    if (error instanceof Skipped) {
      console.log(`SKIPPED ${name}: ${error.message}`);
      return;
    }
    const text = `${error?.name}: ${error?.message}`.replace(/\s+/g, " ").slice(0, 300);
    console.log(`FAILED  ${name}: ${text}`);
    process.exitCode = 3;
  }
}

/** The address, or the end of the check. */
export function needs(url, what) {
  if (url === undefined) throw new Skipped(`no ${what} was named`);
  return url;
}

/** What a promise is rejected with. */
export async function rejection(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it was answered");
}
