// Package api serves the public contract headwater.v1: as gRPC, as REST with JSON, and
// as gRPC-Web and Connect for browsers, all through one chain of interceptors.
//
// # What it promises
//
// Reads answer from committed state and name its revision, the position in the stream
// up to which everything has been applied. They take no locks that a writer waits for.
//
// A watch tells states, not events. A client that is slow, or comes back after a
// disconnect, gets the latest state of every incident that changed since the revision
// it names. Nothing is queued for it: the server keeps one position for each client and
// reads on from there when the client has taken what it was sent. What one client does
// not read holds up nobody. Watches are bounded in number; one too many is refused
// with RESOURCE_EXHAUSTED.
//
// A command goes through the stream like everything that changes an incident. It is
// answered when it has been applied and committed. When the deadline passes first, the
// answer says that it may still be carried out, and at which revision to look.
//
// Lists are bounded by page_size and by bytes, requests by size and by a deadline; a
// panic in one request ends that request with INTERNAL and nothing else.
//
// # Errors
//
// Codes are the standard gRPC ones, each with details: BadRequest names the field,
// ResourceInfo what was not found, ErrorInfo a reason that programs can branch on. Over
// REST an error is a google.rpc.Status as JSON under the HTTP code that belongs to it.
package api
