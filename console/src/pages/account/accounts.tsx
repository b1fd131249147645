// The accounts this member may see, with what is left of each.
import { useAccounts } from "../../api/queries";
import { hrefTo } from "../../app/location";
import { useTitle } from "../../app/title";
import { Exact, Id, Standing } from "../../parts/figures";
import { BoneRows, Empty, ProblemNote } from "../../parts/states";
import { ArrowRows, Scroll } from "../../parts/table";
import { useText } from "../../text/text";

export function AccountsPage() {
  const { t, word } = useText();
  useTitle(t("nav.accounts"));
  const { data, error, refetch } = useAccounts();
  return (
    <div className="page">
      <h1>{t("nav.accounts")}</h1>
      {error && <ProblemNote cause={error} retry={refetch} />}
      {data?.items.length === 0 && <Empty title={t("accounts.empty")} />}
      {!error && data?.items.length !== 0 && (
        <Scroll label={t("nav.accounts")}>
          <table aria-busy={!data}>
            <thead>
              <tr>
                <th scope="col">{t("accounts.name")}</th>
                <th scope="col">{t("accounts.id")}</th>
                <th scope="col">{t("accounts.standing")}</th>
                <th scope="col">{t("accounts.asset")}</th>
                <th scope="col" className="num">
                  {t("account.balance")}
                </th>
                <th scope="col" className="num">
                  {t("account.held")}
                </th>
                <th scope="col" className="num">
                  {t("account.available")}
                </th>
              </tr>
            </thead>
            {!data ? (
              <tbody>
                <BoneRows rows={4} columns={7} />
              </tbody>
            ) : (
              <ArrowRows>
                {data.items.map((account) => (
                  <tr key={account.id}>
                    <th scope="row">
                      <a href={hrefTo(`/accounts/${account.id}`)} data-row-link>
                        {account.member === null ? word("party", account.name) : account.name}
                      </a>
                      {account.member !== null && <span className="below">{account.member_name}</span>}
                    </th>
                    <td>
                      <Id value={account.id} short />
                    </td>
                    <td>
                      <Standing tone={account.standing === "active" ? "good" : "warn"}>
                        {word("standing", account.standing)}
                      </Standing>
                    </td>
                    <td>{account.asset}</td>
                    <td className="num">
                      <Exact amount={account.balance} />
                    </td>
                    <td className="num">
                      <Exact amount={account.held} />
                    </td>
                    <td className="num">
                      <Exact amount={account.available} />
                    </td>
                  </tr>
                ))}
              </ArrowRows>
            )}
          </table>
        </Scroll>
      )}
    </div>
  );
}
