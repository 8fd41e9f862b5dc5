package correlate

import "time"

// This file estimates when the trouble behind an alert began. Alertmanager's
// startsAt is when the rule fired: after its `for`, its evaluation interval and the
// window it averages over. A readiness alert and an error-rate alert of one failure
// begin minutes apart for that reason alone; taken at its word, startsAt makes causes
// of consequences ("How far are we?", ASE 2024: sixty seconds of error in the onsets
// undo methods that trust them).

// delayShare is the share of a rule's usual delay that is taken off. Rules of one name
// differ from site to site, by their `for` above all, so only a part is certain.
const delayShare = 0.5

// onsetOf is when the trouble that row tells of probably began.
func (e *Engine) onsetOf(row *AlertState) time.Time {
	delay := 0.0
	if v := e.ofName(row.Labels["alertname"]); v.final && v.class == row.Class {
		delay = v.delay
	} else if int(row.Class) < len(classDelay) {
		delay = classDelay[row.Class]
	}
	return row.StartsAt.Add(-time.Duration(delayShare * delay * float64(time.Second)))
}
