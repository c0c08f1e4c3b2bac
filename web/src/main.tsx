// Starts the page; the token is taken out of the address before anything else happens.

import { tokenOfAddress } from "./session/address.js";
import "./styles/index.css";

import { render } from "preact";

import { App } from "./app.js";
import { startRouting } from "./routing.js";
import { startSession } from "./session/session.js";
import { applyTheme } from "./shared/theme.js";

applyTheme();
startRouting();
void startSession(tokenOfAddress);
render(<App />, document.getElementById("page")!);
