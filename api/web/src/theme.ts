// Puts a chosen theme in place before anything is painted. Without a choice the style
// sheet follows what the system prefers.
try {
  const chosen = localStorage.getItem("headwater.theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset["theme"] = chosen;
} catch {
  // Storage is forbidden: the system's preference it is.
}
