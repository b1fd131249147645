import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// During development the pages are served by Vite and the API by a running
// demo, or by dev/fixture-server.mjs, so that cookies stay on one origin.
const api = process.env.SYCEE_API ?? "http://127.0.0.1:7720";

export default defineConfig({
  plugins: [react()],
  build: { target: "es2022", sourcemap: false, assetsInlineLimit: 0, modulePreload: false },
  server: { port: 5173, proxy: { "/api": api, "/signin": api } },
});
