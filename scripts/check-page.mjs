// See scripts/check-page. Exits with 1 where something is wrong.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const modules = process.env.CHECK_PAGE_MODULES;
const require = createRequire(join(modules, "x.js"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const [base, token, shots] = process.argv.slice(2);
const home = new URL("/", base);
const faults = [];
const fault = (what) => {
  faults.push(what);
  console.error(`wrong: ${what}`);
};

// Watches a page: what it says on the console, and whom it asks.
const watch = (page, where) => {
  const expected = /status of 40[13]/;
  page.on("console", (message) => {
    const text = message.text();
    if (["error", "warning"].includes(message.type()) && !expected.test(text)) {
      fault(`${where}: console: ${text}`);
    }
  });
  page.on("pageerror", (error) => fault(`${where}: ${error}`));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.origin !== home.origin && url.protocol !== "data:") {
      fault(`${where}: a request to ${url.origin}`);
    }
  });
};

const judge = async (page, where) => {
  // Beside the page's own policy, which lets no such code in.
  const found = await page.evaluate(`(() => { ${axe}; return axe.run(document); })()`);
  for (const violation of found.violations) {
    const nodes = violation.nodes.map((node) => node.target.join(" ")).slice(0, 5);
    const line = `${where}: axe ${violation.impact}: ${violation.id}: ${violation.help} (${nodes.join(", ")})`;
    if (["serious", "critical"].includes(violation.impact)) fault(line);
    else console.log(`note: ${line}`);
  }
  console.log(`${where}: axe: ${found.passes.length} rules passed, ${found.violations.length} violated`);
};

const shoot = async (page, name) => {
  if (!shots) return;
  mkdirSync(shots, { recursive: true });
  await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
};

const wider = (page) =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: ["--no-sandbox"],
});

for (const [name, options] of [
  ["light", { colorScheme: "light", viewport: { width: 1280, height: 900 } }],
  ["dark", { colorScheme: "dark", viewport: { width: 1280, height: 900 } }],
  ["phone", { colorScheme: "light", viewport: { width: 390, height: 844 } }],
  ["phone-dark", { colorScheme: "dark", viewport: { width: 390, height: 844 } }],
]) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  watch(page, name);
  await page.goto(home.href);
  await judge(page, `${name}, login`);
  await shoot(page, `${name}-login`);
  // By keyboard alone: the field has the focus.
  await page.keyboard.type("not-the-token");
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
  if (!(await page.getByRole("alert").count())) fault(`${name}: a wrong token is not told`);
  await judge(page, `${name}, wrong token`);
  await page.keyboard.type(token);
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
  const plots = await page.locator("svg.plot:visible").count();
  if (plots < 4) fault(`${name}: ${plots} plots after the login`);
  await judge(page, name);
  await shoot(page, name);
  if ((await wider(page)) > 0) fault(`${name}: the page is wider than the screen`);

  await Promise.all([page.waitForNavigation(), page.getByRole("link", { name: "Last hour" }).click()]);
  if (new URL(page.url()).search !== "?period=1h") fault(`${name}: the period did not change`);
  const current = await page.locator("nav[aria-label=Period] [aria-current]").innerText();
  if (current !== "Last hour") fault(`${name}: ${current} is marked`);

  await page.getByText("Choose hosts, period and refresh").click();
  const host = page.getByRole("checkbox").first();
  await host.check();
  await Promise.all([page.waitForNavigation(), page.getByRole("button", { name: "Show" }).click()]);
  const rows = await page.locator("table").first().locator("tbody tr").count();
  if (rows !== 1) fault(`${name}: ${rows} rows for one host`);
  await judge(page, `${name}, one host`);

  await Promise.all([page.waitForNavigation(), page.getByRole("link", { name: "Country" }).click()]);
  if (!(await page.getByRole("columnheader", { name: "Country" }).count())) {
    fault(`${name}: no breakdown`);
  }
  await judge(page, `${name}, by country`);
  await shoot(page, `${name}-chosen`);

  for (const plot of ["latency", "heatmap", "rate"]) {
    const answer = await page.goto(new URL(`/api/v1/plots/${plot}.svg?since=-24h`, home).href);
    if (answer.status() !== 200) fault(`${name}: ${plot}.svg: ${answer.status()}`);
    const root = await page.evaluate(() => document.documentElement.localName);
    if (root !== "svg") fault(`${name}: ${plot}.svg is no SVG: ${root}`);
  }
  await page.goto(home.href);
  await Promise.all([page.waitForNavigation(), page.getByRole("button", { name: "Log out" }).click()]);
  if (!(await page.locator("#token").count())) fault(`${name}: still logged in`);
  await context.close();
}

// The essentials without JavaScript.
{
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  watch(page, "no script");
  await page.goto(home.href);
  await page.locator("#token").fill(token);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.locator("#live").waitFor();
  await page.getByRole("link", { name: "Last 7 days" }).click();
  await page.waitForURL(/period=7d/);
  if ((await page.locator("svg.plot").count()) < 4) fault("no script: no plots");
  await context.close();
}

// The script looks again and puts in what changed.
{
  const context = await browser.newContext();
  const page = await context.newPage();
  watch(page, "refresh");
  await page.goto(new URL(`/?refresh=30&token=${encodeURIComponent(token)}`, home).href);
  if (page.url().includes(token)) fault("refresh: the token stays in the address");
  await page.locator("#live").evaluate((live) => live.setAttribute("data-old", "yes"));
  await page.locator("#shown").evaluate((shown) => { shown.textContent = "old"; });
  await page.getByRole("button", { name: "Pause updates" }).click();
  await page.getByRole("button", { name: "Resume updates" }).click();
  await page.waitForFunction(() => document.getElementById("shown").textContent !== "old");
  await context.close();
}

await browser.close();
console.log(faults.length ? `${faults.length} things are wrong` : "nothing is wrong");
process.exit(faults.length ? 1 : 0);
