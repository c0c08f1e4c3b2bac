// Takes a sign-in token out of the address, so that neither the history nor a bookmark keeps it.

const TOKEN_PARAMETER = "#token=";

/** The sign-in token that the address held; null without one. */
export const tokenOfAddress = takeToken();

// A link that is opened in a tab that shows the page already changes only the fragment.
addEventListener("hashchange", () => {
  if (location.hash.startsWith(TOKEN_PARAMETER)) location.reload();
});

function takeToken(): string | null {
  if (!location.hash.startsWith(TOKEN_PARAMETER)) return null;
  const token = location.hash.slice(TOKEN_PARAMETER.length);
  history.replaceState(null, "", location.pathname);
  return token;
}
