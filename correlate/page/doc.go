// Package page drains the page outbox into Alertmanager's notifier library. It
// delivers what the engine decided; it decides nothing itself.
//
// # What it promises
//
// At least once: a page is recorded as sent after its receiver took it, so a
// crash in between sends it again, with the same key ("incident/INC-1" is the
// group key, from which PagerDuty, Opsgenie and their like derive their
// deduplication key). What was recorded is never sent again.
//
// What rings again does ring: a receiver that is silent for a key which it knows
// (PagerDuty, Opsgenie, VictorOps, incident.io) gets each further ring under a key of
// its own, "incident/INC-1/2", and the ring before is resolved there as soon as the
// new one has arrived. Chat and mail get another message. Whoever the ring is not for,
// and has the incident, gets an edit.
//
// Order: the pages of one incident reach one integration in the order of
// [correlate.Page.Seq], one at a time. There is no order between incidents, nor
// between integrations: each pair of an incident and an integration is a lane of
// its own, and a slow or dead receiver holds up its own lanes only.
//
// A resolve follows every opening page that was sent, and only those: it goes to
// the integrations that got the opening page, whatever `route:` says by now, for each
// ring that may still be open there, and honours send_resolved. Who got a notice
// has the incident open like anybody else, though nothing ever rang.
//
// # Errors
//
// An error that may pass (no connection, 5xx, a rate limit) is retried after 1 s,
// doubling to at most 1 min, until the page is sent. Any other error (a revoked
// key, a template that does not execute) is logged, counted, recorded, and
// retried after 5 min, doubling to 1 h: mending the configuration and reloading
// it retries at once. When a page is 72 h old and still refused in that way, it is
// given up, with a record that says so. All of these are [Options].
//
// # Bounds, and what happens at them
//
// A pending incident costs a goroutine, which holds its undelivered pages and the
// delivery records of the others: some 13 kB with one page that waits for its
// receiver to come back. There are at most [Options.MaxIncidents]; the
// pages of further incidents stay in the outbox, oldest decision first. An
// integration sends at most [Options.PerIntegration] pages at a time; more wait
// their turn. An update that was not sent when a newer page of its incident
// arrived is superseded, and so is a further ring when there was another, or the
// resolve; opening and resolve pages never are, so an incident has few undelivered
// pages however long its receiver is away.
//
// # Updates
//
// An integration that can edit what it showed gets every page. One that cannot
// (chat and mail, which would only repeat themselves) gets the opening page, a
// renewed opening and the resolve; the skipped updates are recorded with the
// reason. In Slack, below a message that is edited, a thread tells what is new and what
// people did; an answer there is at least once like the page it goes with. Slack edits with `update_message: true`, Opsgenie with
// `update_alerts: true`. A receiver decides otherwise by Alertmanager's own
// `labels:`, with headwater_updates: always or never.
//
// # Hours
//
// A page goes to the routes that were open when it was decided, by Alertmanager's
// mute_time_intervals and active_time_intervals. The engine decides no page for an hour at
// which none is, and another one when a route that was muted opens; [Config.Hours] tell it which are.
//
// # What of Alertmanager's configuration has no effect
//
// group_by, group_wait, group_interval and repeat_interval: the engine groups and holds.
package page
