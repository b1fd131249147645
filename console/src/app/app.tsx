// From the address to a page. Reads fail in one way: a session that is missing
// leads to sign-in and back to where the person wanted to go.
import { type MouseEvent, type ReactNode, useEffect } from "react";
import { Failure } from "../api/client";
import { useSession } from "../api/queries";
import { AccountPage } from "../pages/account/account";
import { AccountsPage } from "../pages/account/accounts";
import { CatalogPage } from "../pages/catalog/catalog";
import { OverviewPage } from "../pages/overview/overview";
import { ReceiptPage } from "../pages/receipt/receipt";
import { ReceiptsPage } from "../pages/receipt/receipts";
import { SignInPage } from "../pages/sign-in";
import { ProblemNote } from "../parts/states";
import { Frame } from "./frame";
import { go, idFrom, usePlace } from "./location";

export function App() {
  const { path } = usePlace();
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: links stay links; this only spares a page load
    // biome-ignore lint/a11y/useKeyWithClickEvents: the browser sends a click for Enter on a link
    <div className="app" onClick={followInside}>
      <Frame path={path}>{path === "/sign-in" ? <SignInPage /> : <SignedIn>{pageAt(path)}</SignedIn>}</Frame>
    </div>
  );
}

function pageAt(path: string): ReactNode {
  const receipt = idFrom(path, "/receipts/");
  const account = idFrom(path, "/accounts/");
  if (path === "/") return <OverviewPage />;
  if (path === "/receipts") return <ReceiptsPage />;
  if (receipt) return <ReceiptPage key={receipt} id={receipt} />;
  if (path === "/accounts") return <AccountsPage />;
  if (account) return <AccountPage key={account} id={account} />;
  if (path === "/catalog") return <CatalogPage />;
  return <NoSuchPage />;
}

function SignedIn({ children }: { children: ReactNode }) {
  const session = useSession();
  const { path } = usePlace();
  const signedOut = session.error instanceof Failure && session.error.needsSignIn;

  useEffect(() => {
    if (!signedOut) return;
    go(path === "/" ? "/sign-in" : `/sign-in?next=${encodeURIComponent(path)}`, "replace");
  }, [signedOut, path]);

  if (session.data) return children;
  if (session.error && !signedOut) return <ProblemNote cause={session.error} retry={session.refetch} />;
  return null;
}

function NoSuchPage() {
  return <ProblemNote cause={new Failure(404, null)} />;
}

/** Follows a plain click on a link of the console without loading it anew. */
function followInside(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element).closest("a");
  if (!link || link.target || link.hasAttribute("download") || link.origin !== window.location.origin) return;
  if (/^\/(api|v1|metrics|signin)(\/|$)/.test(link.pathname)) return;
  const withinPage = link.pathname === window.location.pathname && link.hash !== "";
  if (withinPage) return;
  event.preventDefault();
  go(link.pathname + link.search);
}
