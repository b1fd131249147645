import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Failure } from "./api/client";
import { App } from "./app/app";
import { TextProvider } from "./text/text";
import "./style/base.css";
import "./style/frame.css";
import "./style/parts.css";
import "./style/overview.css";
import "./style/receipt.css";
import "./style/pages.css";
import "./style/print.css";

const RETRIES = 2;

const client = new QueryClient({
  defaultOptions: {
    queries: {
      // A decided answer stays the same when asked again; only a missing one may come.
      retry: (failed, cause) => cause instanceof Failure && cause.unreachable && failed < RETRIES,
      refetchOnWindowFocus: false,
    },
  },
});

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <TextProvider>
        <App />
      </TextProvider>
    </QueryClientProvider>
  </StrictMode>,
);
