// Short names for what the API answers, taken from its paths: a page imports
// these and is spared the names of the document's schemas.
import type { paths } from "./schema";

type Answer<Path extends keyof paths> = paths[Path] extends {
  get: { responses: { 200: { content: { "application/json": infer Body } } } };
}
  ? Body
  : never;

export type Account = Answer<"/accounts/{id}">;
export type Catalog = Answer<"/catalog">;
export type Health = Answer<"/health">;
export type Offer = Catalog["offers"][number];
export type Overview = Answer<"/overview">;
export type OverviewReceipt = Overview["receipts"][number];
export type OverviewSite = Overview["sites"][number];
export type Receipt = Answer<"/receipts/{id}">;
export type ListedReceipt = Answer<"/receipts">["items"][number];
export type Attempt = Receipt["attempts"][number];
export type SplitLine = Receipt["split"][number];
export type Statement = Answer<"/accounts/{id}/statement">;
export type StatementLine = Statement["items"][number];

/** What every error says. */
export type Problem =
  paths["/overview"]["get"]["responses"]["default"]["content"]["application/json"]["error"];
