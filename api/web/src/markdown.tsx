// Markdown as post-mortems are written in it: headings, paragraphs, lists, tables, fences;
// within a line bold, emphasis, code and links. All else is shown as it is. Nothing of it
// ever becomes markup by itself: the text is made of elements, one by one.
import type { ComponentChildren } from "preact";
import { Outside } from "./parts";

export type Block =
  | { is: "heading"; level: number; text: string }
  | { is: "paragraph"; text: string }
  | { is: "list"; items: string[] }
  | { is: "table"; head: string[]; rows: string[][] }
  | { is: "fence"; language: string; text: string };

// blocksOf parts a document.
export function blocksOf(text: string): Block[] {
  const out: Block[] = [];
  const lines = text.split("\n");
  for (let n = 0; n < lines.length; ) {
    const line = lines[n]!;
    const heading = /^(#{1,6}) (.*)$/.exec(line);
    const fence = /^```(\w*)$/.exec(line);
    const taken = (is: (l: string) => boolean) => {
      const from = n;
      while (n < lines.length && is(lines[n]!)) n++;
      return lines.slice(from, n);
    };
    if (line.trim() === "") n++;
    else if (heading) {
      out.push({ is: "heading", level: heading[1]!.length, text: heading[2]! });
      n++;
    } else if (fence) {
      n++;
      const body = taken((l) => l !== "```");
      n++;
      out.push({ is: "fence", language: fence[1]!, text: body.join("\n") });
    } else if (line.startsWith("|")) {
      const [head, , ...rows] = taken((l) => l.startsWith("|")).map(cells);
      out.push({ is: "table", head: head ?? [], rows });
    } else if (line.startsWith("- ")) {
      out.push({ is: "list", items: taken((l) => l.startsWith("- ")).map((l) => l.slice(2)) });
    } else {
      out.push({ is: "paragraph", text: taken((l) => l.trim() !== "" && !/^(#{1,6} |```|\||- )/.test(l)).join("\n") || line });
      if (lines[n] === line) n++;
    }
  }
  return out;
}

// cells parts a table's row at bars that are not escaped.
function cells(line: string): string[] {
  const all = line.split(/(?<!\\)\|/).map((c) => c.trim());
  return all.slice(1, -1);
}

const entities: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"' };

// plain undoes escapes.
function plain(text: string): string {
  return text.replace(/\\([!-/:-@[-`{-~])|&(?:#(\d+)|(\w+));/g, (all, mark: string | undefined, code: string | undefined, name: string | undefined) => {
    if (mark !== undefined) return mark;
    if (code !== undefined) return String.fromCodePoint(Number(code));
    return entities[name ?? ""] ?? all;
  });
}

const pieces = /\*\*((?:\\.|[^\\*])+)\*\*|\*((?:\\.|[^\\*])+)\*|`([^`]+)`|!?\[((?:\\.|[^\\\]])*)\]\(<?([^)>]*)>?\)|<br\/?>|\\.|[^\\*`![<]+|[\s\S]/g;

// Inline is a line's text with its marks.
export function Inline({ text }: { text: string }) {
  const out: ComponentChildren[] = [];
  for (const [all, bold, emphasis, code, label, url] of text.matchAll(pieces)) {
    if (bold !== undefined) out.push(<b>{plain(bold)}</b>);
    else if (emphasis !== undefined) out.push(<em>{plain(emphasis)}</em>);
    else if (code !== undefined) out.push(<code>{code}</code>);
    else if (url !== undefined) out.push(<Outside href={url}>{plain(label ?? "") || url}</Outside>);
    else if (/^<br/.test(all)) out.push(<br />);
    else out.push(plain(all));
  }
  return <>{out}</>;
}

// Markdown shows a document. Its own heading of the first level is left out: whoever shows
// it has one. picture stands for drawings in the language of Mermaid.
export function Markdown({ text, picture }: { text: string; picture: ComponentChildren }) {
  return (
    <>
      {blocksOf(text).map((b, n) => (
        <BlockOf key={n} of={b} picture={picture} />
      ))}
    </>
  );
}

function BlockOf({ of: b, picture }: { of: Block; picture: ComponentChildren }) {
  switch (b.is) {
    case "heading": {
      if (b.level === 1) return null;
      const H = b.level === 2 ? "h2" : "h3";
      return (
        <H>
          <Inline text={b.text} />
        </H>
      );
    }
    case "paragraph":
      return (
        <p>
          <Inline text={b.text} />
        </p>
      );
    case "list":
      return (
        <ul>
          {b.items.map((i) => (
            <li key={i}>
              <Inline text={i} />
            </li>
          ))}
        </ul>
      );
    case "fence":
      return b.language === "mermaid" ? <>{picture}</> : <pre tabIndex={0}>{b.text}</pre>;
    case "table":
      return <Table head={b.head} rows={b.rows} />;
  }
}

function Table({ head, rows }: { head: string[]; rows: string[][] }) {
  const titled = head.some((h) => h !== "");
  return (
    <div class="table-box" tabIndex={0} role="group" aria-label="Table">
      <table>
        {titled && (
          <thead>
            <tr>
              {head.map((h, n) => (h ? <th key={n} scope="col"><Inline text={h} /></th> : <td key={n} />))}
            </tr>
          </thead>
        )}
        <tbody>
          {rows.map((r, n) => (
            <tr key={n}>
              {r.map((c, k) => (
                <td key={k}>
                  <Inline text={c} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
