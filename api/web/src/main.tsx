// The dashboard's beginning.
import { type ComponentType, render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ActionItemsView } from "./actionitems";
import { HistoryView } from "./history";
import { IncidentView } from "./incident";
import { IncidentsView } from "./list";
import * as live from "./live";
import { Empty, useTitle } from "./parts";
import { PostmortemView } from "./postmortem";
import * as route from "./route";
import { SetupView } from "./setup";
import { Shell } from "./shell";
import { TopologyView } from "./topology";
import "./style/base.css";
import "./style/shell.css";
import "./style/list.css";
import "./style/incident.css";
import "./style/picture.css";
import "./style/views.css";
import "./style/print.css";

function View() {
  const { path } = route.usePlace();
  const [first, second, ...rest] = path.split("/");
  if (first === "" || (first === "incidents" && !second)) return <IncidentsView />;
  if (first === "incidents" && rest[0] === "post-mortem") return <PostmortemView key={second!} id={second!} />;
  if (first === "incidents") return <IncidentView key={second!} id={second!} />;
  if (first === "history") return <HistoryView />;
  if (first === "action-items") return <ActionItemsView />;
  if (first === "topology") return <TopologyView service={[second ?? "", ...rest].filter(Boolean).join("/")} />;
  if (first === "setup") return <SetupView />;
  if (path === "ui/gallery") return <Gallery />;
  return <Nowhere />;
}

// Gallery is loaded when somebody looks at it, and by nobody on call.
function Gallery() {
  const [view, set] = useState<{ View: ComponentType }>();
  useEffect(() => {
    void import("./gallery").then((m) => set({ View: m.GalleryView }));
  }, []);
  return view ? <view.View /> : <main id="main" />;
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
// The gallery has no server behind it.
if (route.place.get().path !== "ui/gallery") live.start();
const app = document.getElementById("app")!;
app.textContent = "";
render(
  <Shell>
    <View />
  </Shell>,
  app,
);
