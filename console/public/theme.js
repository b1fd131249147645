// Runs before the first paint, so that a chosen theme never flashes the other
// one. It is a file and not an inline script to allow a strict content policy.
try {
  const theme = localStorage.getItem("sycee.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be forbidden; the system's preference then applies.
}
