// Package correlatetest lets stories about failures be told as text, plays them
// through the engine and writes down what on-call would have seen.
//
// It is a library for tests. It does no IO, keeps no clock and is deterministic:
// the same text gives the same outcome.
//
// # A story
//
// A story is a file of blocks, parted by blank lines. A block is some commands and,
// after a line of four dashes, what came of them. The outcome is written by
// the player ([Run]) and reviewed as a difference; lines that begin with want are
// written by people and must hold, whatever the outcome. Lines that begin with # are
// comments; the first say why the story is told.
//
//	topology
//	  web -> cart -> db
//	  database db owner=storage
//
//	at 0s firing cart HighLatency critical
//	at 20s firing db DiskFull critical
//	----
//	1s    opened INC-1: cart; origin cart (high)
//	21s   joined INC-1: db
//	21s   origin INC-1: db (high), was cart
//
//	want origin db alerting
//
// Time is counted from the beginning of the story. Whenever the engine has a deadline
// before the next command, it is stepped at that deadline, as the driver does.
//
// # Commands
//
// Each may begin with "at <duration>"; without, it happens at the time reached. After
// it, "repeat <n> every <duration>" plays the command n times; {n} in it is then the
// number of the repetition and {a|b|c} takes one word after the other. Timed
// commands of a block that stand side by side are played in the order of time.
//
//	topology [version]                       the lines indented below it are the graph:
//	  web -> cart, search -> db [soft|async] [group=NAME]
//	  group cart NAME need=2                 two members of the redundancy group must work
//	  <kind> <name>, … [namespace= owner= tier= runs_on=a,b runbook= <label>=]
//	firing <service> <AlertName> [severity] [label=value …]
//	firing {label="value", …}                the labels as a real rule has them
//	resolved <service> <AlertName>           or {label="value", …}, or: resolved everything
//	muted <service> <AlertName> "reason"     its Alertmanager was asked, and silences or inhibits it
//	unmuted <service> <AlertName>            … and does so no longer
//	gone <service> <AlertName>               … and does not know it any more
//	resend                                   every firing alert again, in one notification
//	health <service> passing|degraded|failing|unknown [check= message= threshold= good= count= ttl=]
//	change <service> <kind> ["summary"] [ago=48h]
//	acknowledge|resolve|note INC-1 [by <who>] ["text"]
//	set-origin INC-1 [<service>] [by <who>] ["text"]      without a service, the word is withdrawn
//	merge INC-1 INC-2 [by <who>] ["text"]
//	split INC-1 <service> … [alert=<AlertName>] [by <who>] ["text"]
//	detach INC-1 <service> … [alert=<AlertName>] [by <who>] ["text"]
//	severity INC-1 SEV1|SEV2|SEV3|SEV4|automatic [by <who>] ["text"]
//	status INC-1 <status> [by <who>] ["text"]
//	assign INC-1 <role> [<who>] [by <who>] ["text"]       without a who, the role is free again
//	update|public-update INC-1 [by <who>] "text"
//	link INC-1 <title> [<url>] [by <who>]                  without an address, it is removed
//	action-item [INC-1] [assignee= due=72h priority=] [by <who>] "text"
//	edit-action-item AI-1 [assignee= due= priority= status=] [by <who>] ["text"]
//	forget [coverage|edge|noise|alerted [subject]]
//	restart                                  the engine is restored from its stored rows
//	tick                                     nothing but time
//	config hold=30s settle=1s close_after=10m reopen_within=30m stale_after=0s page=critical,error
//	config hold_critical=10s reminder=15m reminders=3 ring_spacing=5m notices=yes status_pages=yes
//	escalation [matcher …]                   the steps indented below it, such as:
//	  [after 10m] [unacknowledged|no_progress|critical_function|always] to <receiver> …
//	interval <name> 22:00 06:00              a time interval, each day, UTC; a story begins at 03:00 on a Monday
//	route [matcher …] [mute=<interval>]      a route, open but in the interval; without any, all are open
//	recurring-maintenance <name> <interval> <service> …
//	maintenance <service> … [match=label="value"] until=2h [from=1h] [dependents=yes] [by <who> "reason"]
//	end-maintenance MW-1 [by <who>]
//	daytime <interval> [SEV3 …]              those wait for it
//	show INC-1 [exact]                       candidates, way, services; exact: with numbers
//	show fates                               what became of each alert
//	show learned                             what closed incidents taught
//
// Options of firing: began=-20s (it started to fire before it arrived), summary=,
// runbook=; of resolved: ended=-2m; of severity, status, assign, link, update and detach:
// revision=current or revision=old, in view of which the command is given. A value with spaces stands in double quotes.
//
// # Wants
//
// "in INC-1" may end each want that is about one incident; without, there must be
// only one that is open, or only one at all.
//
//	want one page | no page | pages 2 [updates <=5] [rings 1] [escalations 1] [resolves 1]
//	want incidents 2 | open 1 | quiet         quiet: nothing is due any more
//	want origin <service> [silent|alerting] [high|medium|low]
//	want first page origin <service> …       what the opening page said; last page: the latest
//	want not origin <service>
//	want runner-up <service> | candidate <service> within 3
//	want gap <service>                        named as something that nothing watches
//	want evidence "text" | first evidence "text"
//	want way <cause> -> <effect> [depends|overload|starvation|runs-on]
//	want hit <service> … | next <service> | change <service>
//	want together <service> … | apart <service> <service>
//	want about <AlertName> <service> [from <caller>]
//	want fate <service> <AlertName> <fate>
//	want severity <severity> | state open|resolved|merged | acknowledged by <who>
//	want sev SEV2 | status <status> | role <role> [<who>] | link <title> [<url>]
//	want action-item AI-1 <status> [<assignee> [<incident>]]
//	want seen 2 [INC-2 INC-1]                 how often before, and which were the last
//	want remembers "text"                     of those before, in the words of a page
//	want timeline "text" "text" …             in this order
//	want rejected "text"
//
// # What is printed
//
// Probabilities are printed in bands (high from 0.7, medium from 0.4, else low), so
// that tuning does not rewrite every story. Alerts that join are counted per service
// and printed together until something else happens.
package correlatetest
