package topology

// edge recognises alerts about the calls between two services.
func (q *query) edge() (Resolution, bool) {
	callers := q.e.with(caller)
	if !callers.empty() {
		if res, ok := q.edgeFrom(callers); ok {
			return res, true
		}
	}
	remotes := q.e.with(remote)
	if !remotes.empty() {
		return q.edgeTo(remotes)
	}
	return Resolution{}, false
}

// edgeFrom is an edge whose caller has a label of its own. Without one for the callee,
// the callee is what the other labels name, provided that it is clear that the caller
// is one: a mesh says who reported, or the graph knows the caller.
func (q *query) edgeFrom(callers slotSet) (Resolution, bool) {
	from, ok := q.end(callers)
	if !ok {
		return Resolution{}, false
	}
	if to, ok := q.end(q.e.with(callee)); ok {
		return join(from, to)
	}
	if !from.known && !q.e.set.has(slotReporter) {
		return Resolution{}, false
	}
	to, ok := q.subject(callers)
	if !ok {
		return Resolution{}, false
	}
	return join(from, to)
}

// edgeTo is an edge whose callee has a label of its own and whose caller is what the
// other labels name. A general label (name, command, backend) says so only when the
// graph knows both ends.
func (q *query) edgeTo(remotes slotSet) (Resolution, bool) {
	from, ok := q.subject(remotes)
	if !ok {
		return Resolution{}, false
	}
	firm := remotes.without(roleMask(anyRemote))
	if to, ok := q.end(firm); ok {
		return join(from, to)
	}
	general := remotes.and(roleMask(anyRemote))
	if to, ok := q.knownAs(general, true); ok && from.known {
		return join(from, to)
	}
	return Resolution{}, false
}

// end is one end of an edge: the first label that the graph knows, else the first.
func (q *query) end(of slotSet) (finding, bool) {
	if f, ok := q.knownAs(of, true); ok {
		return f, true
	}
	return q.fresh(of)
}

// join makes the edge; two ends at one node are no edge.
func join(from, to finding) (Resolution, bool) {
	if from.ref == to.ref {
		return Resolution{}, false
	}
	return Resolution{
		Service: to.ref, Source: from.ref, Edge: true, Mapped: true,
		How: from.how + " calls " + to.how,
	}, true
}
