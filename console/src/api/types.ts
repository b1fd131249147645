// The only place that knows the schema names of the API document; pages import
// these short names, so a renamed schema changes one file.
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Account = Schemas["Account"];
export type Attempt = Schemas["Attempt"];
export type BucketLine = Schemas["BucketLine"];
export type Catalog = Schemas["Catalog"];
export type Flow = Schemas["Flow"];
export type Health = Schemas["Health"];
export type Log = Schemas["Log"];
export type Offer = Schemas["Offer"];
export type Overview = Schemas["Overview"];
export type OverviewReceipt = Schemas["OverviewReceipt"];
export type OverviewSite = Schemas["OverviewSite"];
export type Problem = Schemas["Problem"]["error"];
export type Receipt = Schemas["Receipt"];
export type Session = Schemas["Session"];
export type SplitLine = Schemas["SplitLine"];
export type StatementLine = Schemas["StatementLine"];
