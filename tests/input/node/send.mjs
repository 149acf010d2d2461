// Sends `count` events by Segment's library for Node: node send.mjs URL WRITE_KEY COUNT
import { Analytics } from "@segment/analytics-node";

const [url, writeKey, count] = process.argv.slice(2);
const analytics = new Analytics({ writeKey, host: url, flushAt: 20, maxRetries: 10 });
analytics.on("error", (error) => console.error(error));
analytics.identify({ userId: "node-user", traits: { email: "node@example.com" } });
analytics.page({ anonymousId: "node-visitor", name: "Home" });
analytics.screen({ anonymousId: "node-visitor", name: "Start" });
analytics.group({ userId: "node-user", groupId: "g1" });
analytics.alias({ userId: "node-user", previousId: "node-visitor" });
for (let number = 5; number < Number(count); number++) {
  analytics.track({ userId: "node-user", event: "Sent", properties: { number } });
}
await analytics.closeAndFlush();
