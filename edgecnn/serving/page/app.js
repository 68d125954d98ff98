/** Starts the page: its panels, the stream of events, and the clock of what counts down. */

import { forgetToken, hasToken, requestToken, takeTokenFromAddress, tokenChanges } from "./service/api.js";
import { EventStream } from "./service/events.js";
import { ServiceState } from "./service/state.js";
import { AccuracyPanel } from "./panels/accuracy.js";
import { CollectPanel } from "./panels/collect.js";
import { DecisionPanel } from "./panels/decision.js";
import { HistoryPanel } from "./panels/history.js";
import { LivePanel } from "./panels/live.js";
import { LogPanel } from "./panels/log.js";
import { ModelsPanel } from "./panels/models.js";
import { RegionEditor } from "./panels/regions.js";
import { SourcesPanel } from "./panels/sources.js";
import { TeachPanel } from "./panels/teach.js";
import { WhyPanel } from "./panels/why.js";
import { byId, setAttribute, setText } from "./widgets/elements.js";

const TICK_MS = 1000;
const REFRESH_TICKS = 5; // what no event tells: counts of frames, sizes, regions

const state = new ServiceState();
const live = new LivePanel(state);
const sources = new SourcesPanel(state);
const decision = new DecisionPanel(state);
const history = new HistoryPanel(state);
const models = new ModelsPanel(state);
new AccuracyPanel(state);
const collect = new CollectPanel(state);
const teach = new TeachPanel(state, models);
new LogPanel(state);
new RegionEditor(state);
new WhyPanel(state, collect);
const stream = new EventStream(
  (kind, values) => state.hear(kind, values),
  (connection) => state.setConnection(connection),
);
let askedForToken = false;
let ticks = 0;

state.addEventListener("connection", () => {
  drawConnection();
  if (state.connected) readAll();
  else if (state.connection.reason === "the service needs the token" && !askedForToken) {
    askedForToken = true;
    requestToken(
      hasToken() ? "The service did not accept the token. Enter the right one." : "The service needs its token.",
    );
  }
});
state.addEventListener("state", () => {
  setText(byId("device"), state.device);
  setText(byId("version"), `EdgeCNN ${state.version}`);
  document.title = state.device ? `${state.device} – EdgeCNN` : "EdgeCNN";
  byId("no-source").hidden = state.sources.length > 0;
});
state.addEventListener("swap", readChanges); // another model may serve
state.addEventListener("drift", readChanges); // the estimate comes with the state
state.addEventListener("views", readChanges); // the places of the regions come with the state
tokenChanges.addEventListener("token", drawAccess);
addEventListener("hashchange", takeTokenFromAddress);
byId("access").addEventListener("click", () => {
  if (hasToken()) forgetToken();
  else requestToken("With the token of the service, models, regions and collected frames can be changed.");
});
byId("connect-now").addEventListener("click", () => stream.retry());

async function readAll() {
  try {
    await state.refresh(true);
  } catch {
    return; // the stream ends too, and says it
  }
  await Promise.all([models.refresh(), collect.refresh(), teach.refresh()]);
}

/** Reads again what no event tells. */
function readChanges() {
  state.refresh(false).catch(() => {}); // where the service is away, the stream says it
}

function drawAccess() {
  setText(byId("access"), hasToken() ? "Forget token" : "Enter token");
  setText(byId("access-state"), hasToken() ? "token entered" : "read-only");
}

function drawConnection() {
  const { connected, reason, retryAt } = state.connection;
  setAttribute(byId("connection-dot"), "class", `dot ${connected ? "live" : "offline"}`);
  setText(byId("connection"), connected ? "connected" : "not connected");
  byId("banner").hidden = connected || retryAt === null;
  if (connected || retryAt === null) return;
  const left = Math.ceil((retryAt - performance.now()) / 1000);
  setText(byId("banner-reason"), `Not connected: ${reason}.`);
  setText(byId("banner-retry"), left > 0 ? `Next attempt in ${left} s.` : "Trying again now.");
}

function tick() {
  ticks += 1;
  drawConnection();
  sources.draw();
  live.drawSoon();
  decision.drawSoon();
  history.tick();
  if (state.connected && !document.hidden && ticks % REFRESH_TICKS === 0) readChanges();
}

takeTokenFromAddress();
drawAccess();
drawConnection();
stream.run();
live.run();
setInterval(tick, TICK_MS);
