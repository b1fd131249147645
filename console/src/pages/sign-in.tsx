// A key is shown once, here, and exchanged for a session that scripts cannot
// read. The page keeps no copy of it.
import { type FormEvent, useState } from "react";
import { Failure } from "../api/client";
import { useSessionChange } from "../api/queries";
import { go, usePlace } from "../app/location";
import { useTitle } from "../app/title";
import { ProblemNote } from "../parts/states";
import { useText } from "../text/text";

export function SignInPage() {
  const { t } = useText();
  useTitle(t("sign_in.title"));
  const { query } = usePlace();
  const session = useSessionChange();
  const [key, setKey] = useState("");
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Error | null>(null);
  const wrong = failure instanceof Failure && failure.needsSignIn;

  const onSubmit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setFailure(null);
    try {
      await session.open(key.trim());
      setKey("");
      go(pathWithin(query.get("next")), "replace");
    } catch (cause) {
      setFailure(cause instanceof Error ? cause : new Error(String(cause)));
    } finally {
      setBusy(false);
    }
  };

  return (
    <div className="sign-in">
      <h1>{t("sign_in.title")}</h1>
      <p>{t("sign_in.text")}</p>
      <form onSubmit={onSubmit}>
        <label htmlFor="key">{t("sign_in.key")}</label>
        <input
          id="key"
          type="password"
          value={key}
          onChange={(event) => setKey(event.target.value)}
          placeholder="sk-sycee-…"
          autoComplete="off"
          spellCheck={false}
          required
          aria-invalid={wrong}
          aria-describedby="key-note"
        />
        <p id="key-note" className={wrong ? "field-problem" : "quiet"} role={wrong ? "alert" : undefined}>
          {wrong ? t("sign_in.wrong") : t("sign_in.note")}
        </p>
        <button type="submit" className="button button-main" disabled={busy}>
          {t("sign_in.button")}
        </button>
      </form>
      {failure && !wrong && <ProblemNote cause={failure} />}
    </div>
  );
}

/** Only a path of the console may follow sign-in, never another host. */
function pathWithin(next: string | null): string {
  return next?.startsWith("/") && !next.startsWith("//") && !next.includes("\\") ? next : "/";
}
