// One account like a bank statement: what is there, what is held, what is
// left, and every posting with its running balance.
import { useAccount } from "../../api/queries";
import { hrefTo } from "../../app/location";
import { useTitle } from "../../app/title";
import { parseMoney, sharePpm } from "../../format/money";
import { Copy, Exact, Id, Standing } from "../../parts/figures";
import { Bone, ProblemNote } from "../../parts/states";
import { type TextKey, useText } from "../../text/text";
import { StatementSection } from "./statement";

const FIGURES = ["balance", "held", "available"] as const;

export function AccountPage({ id }: { id: string }) {
  const { t, word } = useText();
  const { data, error, refetch } = useAccount(id);
  useTitle(data?.name ?? t("nav.accounts"));
  if (error) return <ProblemNote cause={error} retry={refetch} />;
  return (
    <div className="page">
      <p className="trail">
        <a href={hrefTo("/accounts")}>{t("nav.accounts")}</a>
      </p>
      <div className="section-head">
        <h1>{data?.name ?? <Bone width="8em" />}</h1>
        {data && (
          <Standing tone={data.standing === "active" ? "good" : "warn"}>
            {word("standing", data.standing)}
          </Standing>
        )}
      </div>
      <p>
        <Id value={id} /> <Copy text={id} />
      </p>
      <dl className="account-figures">
        {FIGURES.map((name) => (
          <div key={name}>
            <dt>
              {t(`account.${name}` as TextKey)} <span className="unit">{data?.asset}</span>
            </dt>
            <dd>{data ? <Exact amount={data[name]} /> : <Bone width="6em" />}</dd>
            <dd className="account-meaning">{t(`account.${name}.meaning` as TextKey)}</dd>
          </div>
        ))}
      </dl>
      {data && <HeldBar held={data.held} balance={data.balance} />}
      {data?.limit && parseMoney(data.limit).units !== 0n && (
        <p className="quiet">
          {t("account.limit")} <Exact amount={data.limit} /> {data.asset}
        </p>
      )}
      <StatementSection id={id} asset={data?.asset ?? ""} />
    </div>
  );
}

function HeldBar({ held, balance }: { held: string; balance: string }) {
  const { t } = useText();
  const ppm = Math.max(0, Math.min(1_000_000, sharePpm(parseMoney(held), parseMoney(balance))));
  return (
    <div className="held-bar" role="img" aria-label={t("account.bar")}>
      {ppm > 0 && <span className="held-part" style={{ flexGrow: ppm }} />}
      <span className="available-part" style={{ flexGrow: 1_000_000 - ppm }} />
    </div>
  );
}
