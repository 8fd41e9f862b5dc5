// The dashboard's beginning.
import { render } from "preact";
import { ActionItemsView } from "./actionitems";
import { HistoryView } from "./history";
import { IncidentView } from "./incident";
import { IncidentsView } from "./list";
import * as live from "./live";
import { Empty, useTitle } from "./parts";
import * as route from "./route";
import { SetupView } from "./setup";
import { Shell } from "./shell";
import "./style/base.css";
import "./style/shell.css";
import "./style/list.css";
import "./style/incident.css";
import "./style/views.css";
import "./style/print.css";

function View() {
  const { path } = route.usePlace();
  const [first, second] = path.split("/");
  if (first === "" || (first === "incidents" && !second)) return <IncidentsView />;
  if (first === "incidents") return <IncidentView key={second!} id={second!} />;
  if (first === "history") return <HistoryView />;
  if (first === "action-items") return <ActionItemsView />;
  if (first === "setup") return <SetupView />;
  return <Nowhere />;
}

function Nowhere() {
  useTitle("Not found");
  return (
    <main id="main">
      <Empty title="There is nothing here">
        <p>
          The incidents are <a {...route.to("./")}>this way</a>.
        </p>
      </Empty>
    </main>
  );
}

route.start();
live.start();
const app = document.getElementById("app")!;
app.textContent = "";
render(
  <Shell>
    <View />
  </Shell>,
  app,
);
