// Package ingest is the intake: it takes alerts, health results and changes over
// HTTP, and health results over gRPC, and puts them on the stream.
//
//	POST /webhook/alertmanager   Alertmanager's webhook, version 4
//	POST /api/v2/alerts          Alertmanager's own API, so that Prometheus can send here
//	POST /webhook/health         health-check results
//	POST /webhook/change         deploys and other changes
//	POST /webhook/KIND           grafana, argocd, flux, github, cloudevents
//	POST /webhook/source/NAME    a configured sender, see package source
//
// What came otherwise, published on NATS for example, is taken by [Intake.Deliver].
//
// # What it promises
//
// 2xx means durable: it is answered only after the stream has stored what the
// request said. One request is one signal (a list of changes is one for each, in
// order). A request that fails half-way can be sent again; the engine recognises
// what it has.
//
// Whatever cannot be stored at the moment is answered 503 and never 4xx.
// Alertmanager's webhook retries 5xx and transport errors and takes everything
// else, 429 included, for final.
//
// Nothing that reads like an alert is dropped for something beside it. Of a body
// with good and bad alerts the good ones are published, and the body is kept as a
// dead letter that names the bad. What the answer then is depends on who asks:
//
//	                          Alertmanager's webhook    /api/v2/alerts,   health results
//	                          and Grafana's             other senders     and changes
//	stream down, or busy      503                       503               503
//	some of it unusable       200, dead letter          200, dead letter  400: all or nothing
//	all of it unusable        200, dead letter          400, dead letter  400
//	dead letter not storable  503                       503               –
//	body too large            503                       413               413
//	a source's secret missing 401                       401               –
//
// A body over the limit is the one thing that cannot be kept, so to claim that it
// was would be a lie, and a 4xx would have Alertmanager forget it. With 503 it
// keeps trying and says so in its own metrics, headwater_ingest_oversize_bodies_total
// counts, the log names the ways out (max_alerts in the webhook's configuration, or
// a higher limit), and the beginning of the body is kept as a dead letter once a
// minute. The webhook's limit is large so that it does not come to that.
//
// 400 answers are JSON and name the field and the line. A source with a secret of its own
// keeps nothing of what came without it.
//
// # Bounds
//
// At most Options.MaxInFlight requests are worked on, at most [maxLarge] of them
// with a body over 1 MiB; so bodies take at most MaxInFlight MiB and maxLarge times
// the largest limit, and decoding a small multiple of that. Others wait, up to
// [maxWaiting] of them and up to Options.Timeout, and get 503 then. The same time
// bounds how long a sender may take for its body and how long storing may take.
// A compressed body (gzip) is bounded before and after.
//
// A panic in a decoder makes the body unusable, which is the table's third line,
// or 500 where that says 400; a panic elsewhere is 500.
//
// An Intake is safe for concurrent use and has no goroutines of its own.
package ingest
