// All receipts this member may see, newest first; the account is a filter in the address.
import { useReceipts, useSession } from "../../api/queries";
import type { ListedReceipt } from "../../api/types";
import { setQuery, usePlace } from "../../app/location";
import { useTitle } from "../../app/title";
import { BoneRows, Empty, ProblemNote } from "../../parts/states";
import { useText } from "../../text/text";
import { type ReceiptRow, ReceiptTable } from "./receipt-table";

export function ReceiptsPage() {
  const { t } = useText();
  useTitle(t("nav.receipts"));
  const account = usePlace().query.get("account");
  const { data: session } = useSession();
  const list = useReceipts(account);
  const rows = list.data?.pages.flatMap(({ items }) => items.map(rowOf)) ?? [];
  const accounts = session?.accounts ?? [];

  return (
    <div className="page">
      <div className="section-head">
        <h1>{t("nav.receipts")}</h1>
        {accounts.length > 1 && (
          <label className="filter">
            <span>{t("receipts.account")}</span>
            <select
              value={account ?? ""}
              onChange={(event) => setQuery({ account: event.target.value || null })}
            >
              <option value="">{t("receipts.all_accounts")}</option>
              {accounts.map(({ id, name }) => (
                <option key={id} value={id}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
      </div>
      {list.error && <ProblemNote cause={list.error} retry={list.refetch} />}
      {list.isPending && (
        <table aria-busy="true">
          <tbody>
            <BoneRows rows={10} columns={6} />
          </tbody>
        </table>
      )}
      {list.data && rows.length === 0 && (
        <Empty title={t("receipts.empty")}>
          <p>{t("receipts.empty.how")}</p>
        </Empty>
      )}
      {rows.length > 0 && (
        <ReceiptTable caption={t("nav.receipts")} asset={rows[0]?.asset ?? ""} rows={rows} withDay />
      )}
      {list.hasNextPage && (
        <button
          type="button"
          className="button more"
          onClick={() => list.fetchNextPage()}
          disabled={list.isFetchingNextPage}
        >
          {t("older")}
        </button>
      )}
    </div>
  );
}

function rowOf(receipt: ListedReceipt): ReceiptRow {
  const tokens = Object.values(receipt.buckets).reduce((sum, tokens) => sum + tokens, 0);
  const { id, at, consumer, model_name, site_name, finish, total, asset } = receipt;
  return { id, at, consumer, model: model_name, site: site_name, finish, tokens, total, asset };
}
