package body

import (
	"fmt"
	"unicode/utf8"

	"github.com/headwater-sre/headwater/topology"
)

// maxName is how long a name of a service may be, in bytes: that of a DNS name.
const maxName = 253

// Service is the service that a body names, as "namespace/name" or with the
// namespace in a field of its own.
func Service(service, namespace string) topology.Ref {
	if namespace != "" {
		return topology.Ref{Namespace: namespace, Name: service}
	}
	return topology.ParseRef(service)
}

// CheckService says what is wrong with ref, or returns nil.
func CheckService(ref topology.Ref) error {
	if ref.Name == "" {
		return &Error{Field: "service", Reason: `missing: want "name" or "namespace/name"`}
	}
	if err := CheckLength("service", ref.Name, maxName); err != nil {
		return err
	}
	return CheckLength("namespace", ref.Namespace, maxName)
}

// CheckLength says that the text in field is longer than most bytes, or returns nil.
func CheckLength(field, text string, most int) error {
	if len(text) <= most {
		return nil
	}
	return &Error{Field: field, Reason: fmt.Sprintf("longer than %d bytes", most)}
}

// Cut shortens text for people to no more than most bytes, and shows that it did.
func Cut(text string, most int) string {
	const mark = "…"
	if len(text) <= most {
		return text
	}
	end := most - len(mark)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + mark
}
