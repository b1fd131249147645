// The states every page shares: nothing yet, not yet, and not at all.
import type { ReactNode } from "react";
import { Failure } from "../api/client";
import { hrefTo } from "../app/location";
import { type TextKey, useText } from "../text/text";
import { Id } from "./figures";

/** Says what will appear here and what makes it appear. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <p className="empty-title">{title}</p>
      {children}
    </div>
  );
}

/** Holds the place of text that is on its way, so that nothing jumps when it comes. */
export function Bone({ width = "100%" }: { width?: string }) {
  return <span className="bone" style={{ width }} aria-hidden="true" />;
}

/** The real table's head over rows of bones. */
export function BoneRows({ rows, columns }: { rows: number; columns: number }) {
  return Array.from({ length: rows }, (_, row) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: placeholders have no identity
    <tr key={row}>
      {Array.from({ length: columns }, (_, column) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: placeholders have no identity
        <td key={column} className="align-bone">
          <Bone width={`${55 + ((row * 7 + column * 13) % 4) * 10}%`} />
        </td>
      ))}
    </tr>
  ));
}

const KNOWN: Record<number, { what: TextKey; money: TextKey; next: TextKey }> = {
  0: { what: "problem.unreachable", money: "problem.unreachable.money", next: "problem.unreachable.next" },
  401: { what: "problem.signed_out", money: "problem.read.money", next: "problem.signed_out.next" },
  403: { what: "problem.forbidden", money: "problem.read.money", next: "problem.forbidden.next" },
  404: { what: "problem.not_found", money: "problem.not_found.money", next: "problem.not_found.next" },
};

/** What happened, what it means for the money, what to do, and the request's id. */
export function ProblemNote({ cause, retry }: { cause: Error; retry?: () => void }) {
  const { t } = useText();
  const failure = cause instanceof Failure ? cause : null;
  const problem = failure?.problem ?? null;
  const known = (failure && KNOWN[failure.status]) ?? {
    what: "problem.failed" as const,
    money: "problem.read.money" as const,
    next: "problem.failed.next" as const,
  };
  return (
    <section className="problem" role="alert">
      <h2>{t(known.what)}</h2>
      <dl>
        <dt>{t("problem.label.what")}</dt>
        <dd>
          {problem ? (
            <>
              {problem.message}
              {problem.detail && <> {problem.detail}</>} <code className="id">{problem.code}</code>
            </>
          ) : (
            t("problem.no_answer")
          )}
        </dd>
        <dt>{t("problem.label.money")}</dt>
        <dd>{t(known.money)}</dd>
        <dt>{t("problem.label.next")}</dt>
        <dd>{problem?.hint ?? t(known.next)}</dd>
        {problem && (
          <>
            <dt>{t("problem.label.request")}</dt>
            <dd>
              <Id value={problem.request_id} />
            </dd>
          </>
        )}
      </dl>
      {failure?.needsSignIn && (
        <a className="button" href={hrefTo(`/sign-in?next=${encodeURIComponent(window.location.pathname)}`)}>
          {t("sign_in.button")}
        </a>
      )}
      {retry && !failure?.needsSignIn && (
        <button type="button" className="button" onClick={retry}>
          {t("problem.retry")}
        </button>
      )}
    </section>
  );
}
