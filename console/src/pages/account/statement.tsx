// The statement: postings in order, each with the balance it left. The file
// export holds the same rows for the same period.
import { useState } from "react";
import { API_BASE } from "../../api/client";
import { idempotencyKey } from "../../api/idempotency";
import { type Period, useStatement } from "../../api/queries";
import type { StatementLine } from "../../api/types";
import { hrefTo, setQuery, usePlace } from "../../app/location";
import { count } from "../../format/numbers";
import { Command, Exact, Party, ReceiptLink, Time } from "../../parts/figures";
import { BoneRows, Empty, ProblemNote } from "../../parts/states";
import { ArrowRows, Scroll } from "../../parts/table";
import { Say, type Text, useText } from "../../text/text";

const COLUMNS = 6;

export function StatementSection({ id, asset }: { id: string; asset: string }) {
  const { t, word, locale } = useText();
  const { query } = usePlace();
  const from = query.get("from");
  const to = query.get("to");
  const period = instants(from, to);
  const statement = useStatement(id, period);
  const pages = statement.data?.pages ?? [];
  const lines = pages.flatMap(({ items }) => items);
  const [drawn] = useState(idempotencyKey);

  return (
    <section aria-label={t("statement.title")}>
      <div className="section-head">
        <h2 className="section-title">{t("statement.title")}</h2>
        <label className="filter">
          <span>{t("statement.from")}</span>
          <input
            type="date"
            value={from ?? ""}
            onChange={(event) => setQuery({ from: event.target.value || null })}
          />
        </label>
        <label className="filter">
          <span>{t("statement.to")}</span>
          <input
            type="date"
            value={to ?? ""}
            onChange={(event) => setQuery({ to: event.target.value || null })}
          />
        </label>
        <a className="button" href={exportHref(id, period)} download={`statement-${id}.csv`}>
          {t("statement.export")}
        </a>
        <a href={hrefTo(`/receipts?account=${id}`)}>{t("statement.receipts")}</a>
      </div>
      {pages[0] && lines.length > 0 && (
        <p className="quiet">
          <Say
            of="statement.span"
            opening={<Exact amount={pages[0].opening} />}
            closing={<Exact amount={pages.at(-1)?.closing} />}
          />
        </p>
      )}
      {statement.error && <ProblemNote cause={statement.error} retry={statement.refetch} />}
      {statement.data && lines.length === 0 && (
        <Empty title={t("statement.empty")}>
          <p>{t("statement.empty.how")}</p>
          <Command text={depositRequest(id, drawn)} />
        </Empty>
      )}
      {!statement.error && (statement.isPending || lines.length > 0) && (
        <Scroll label={t("statement.title")}>
          <table className="statement" aria-busy={statement.isPending}>
            <caption className="unseen">{t("statement.title")}</caption>
            <thead>
              <tr>
                <th scope="col">{t("receipts.at")}</th>
                <th scope="col">{t("statement.kind")}</th>
                <th scope="col" className="from-600">
                  {t("statement.counterparty")}
                </th>
                <th scope="col" className="num from-900">
                  {t("proof.position")}
                </th>
                <th scope="col" className="num">
                  {t("counted.amount")}
                  <span className="unit">{asset}</span>
                </th>
                <th scope="col" className="num">
                  {t("account.balance")}
                  <span className="unit">{asset}</span>
                </th>
              </tr>
            </thead>
            {statement.isPending ? (
              <tbody>
                <BoneRows rows={8} columns={COLUMNS} />
              </tbody>
            ) : (
              <ArrowRows>
                {lines.map((line, at) => {
                  const role = rolesOf(line, word);
                  return (
                    // biome-ignore lint/suspicious/noArrayIndexKey: one entry may post twice to an account
                    <tr key={`${line.position} ${at}`}>
                      <td className="nowrap">
                        <Time at={line.at} />
                      </td>
                      <td>
                        {word("kind", line.kind)}{" "}
                        {role.ofThis && (
                          <span className="quiet">{t("statement.as", { role: role.ofThis })}</span>
                        )}{" "}
                        {line.reference?.startsWith("req_") ? (
                          <ReceiptLink id={line.reference} />
                        ) : (
                          <span className="quiet">{line.reference ?? line.reason}</span>
                        )}
                      </td>
                      <td className="clip from-600">
                        <Party name={line.counterparty} account={line.counterparty_account} />{" "}
                        <span className="quiet">{role.ofOther}</span>
                      </td>
                      <td className="num from-900">{count(line.position, locale)}</td>
                      <td className="num">
                        <Exact amount={line.amount} />
                      </td>
                      <td className="num">
                        <Exact amount={line.balance} />
                      </td>
                    </tr>
                  );
                })}
              </ArrowRows>
            )}
          </table>
        </Scroll>
      )}
      {statement.hasNextPage && (
        <button
          type="button"
          className="button more"
          onClick={() => statement.fetchNextPage()}
          disabled={statement.isFetchingNextPage}
        >
          {t("more")}
        </button>
      )}
    </section>
  );
}

/** A role is that of the party who was paid: of this account where money came in, else of the other. */
function rolesOf({ role, amount }: StatementLine, word: Text["word"]): { ofThis?: string; ofOther?: string } {
  if (!role) return {};
  return amount.startsWith("-") ? { ofOther: word("role", role) } : { ofThis: word("role", role) };
}

/** Days of the reader's zone as instants; the last day is included whole. */
function instants(from: string | null, to: string | null): Period {
  const start = from ? new Date(`${from}T00:00:00`) : null;
  const end = to ? new Date(`${to}T00:00:00`) : null;
  end?.setDate(end.getDate() + 1);
  const text = (at: Date | null) => (at && !Number.isNaN(at.getTime()) ? at.toISOString() : null);
  return { from: text(start), to: text(end) };
}

function exportHref(id: string, { from, to }: Period): string {
  const query = new URLSearchParams({ format: "csv" });
  if (from) query.set("from", from);
  if (to) query.set("to", to);
  return `${API_BASE}/accounts/${id}/statement?${query}`;
}

/** Pasted twice, it pays once. */
function depositRequest(id: string, key: string): string {
  return [
    `curl ${window.location.origin}${API_BASE}/accounts/${id}/deposits \\`,
    `  -H "Authorization: Bearer $SYCEE_OPERATOR_KEY" -H "Content-Type: application/json" \\`,
    `  -H "Idempotency-Key: ${key}" \\`,
    `  -d '{"amount":"10.000000000","reason":"first deposit"}'`,
  ].join("\n");
}
