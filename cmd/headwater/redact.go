package main

import (
	"bytes"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// This file makes a configuration fit to be shown. It errs on the side of hiding: what it
// cannot tell from a secret by its key is hidden.

// hidden stands where a secret was.
const hidden = "<secret>"

var (
	// secretKey finds keys whose values are secrets, wherever they stand.
	secretKey = regexp.MustCompile(`(?i)passw|passphrase|secret|token|credential|private|api_?key|_keys?$|^keys?$|identity|cookie|authorization`)
	// fileKey finds keys that name a file instead.
	fileKey = regexp.MustCompile(`(?i)_files?$`)
	// headersKey finds keys below which all values are hidden: any header may authenticate.
	headersKey = regexp.MustCompile(`(?i)headers?$`)
)

// addressSections are where addresses are secrets themselves but for their host: who knows
// the webhook of a chat can write to it.
var addressSections = map[string]bool{"receivers": true, "global": true, "status_pages": true}

// redact is a configuration file without its secrets and comments; empty when there is none.
func redact(data []byte) (string, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return "", fmt.Errorf("read configuration anew to show it: %w", err)
	}
	if doc.Kind == 0 {
		return "", nil
	}
	root := doc.Content[0]
	for i := 0; i+1 < len(root.Content); i += 2 {
		r := redactor{addresses: addressSections[root.Content[i].Value], seen: map[*yaml.Node]bool{}}
		r.value(root.Content[i].Value, root.Content[i+1], false)
	}
	uncomment(&doc, map[*yaml.Node]bool{})
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return "", fmt.Errorf("write configuration to show it: %w", err)
	}
	return out.String(), nil
}

// redactor hides the secrets of one section.
type redactor struct {
	addresses bool // addresses are secrets
	seen      map[*yaml.Node]bool
}

// value hides what is secret in the value of a key. all: everything in it is.
func (r *redactor) value(key string, n *yaml.Node, all bool) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias // hidden where it is written, so that no other place shows it
		if r.seen[n] && !all && !isSecret(key) {
			return // it may contain itself
		}
	}
	r.seen[n] = true
	all = all || isSecret(key) || headersKey.MatchString(key) && n.Kind == yaml.MappingNode
	switch n.Kind {
	case yaml.ScalarNode:
		r.scalar(n, all)
	case yaml.SequenceNode:
		for _, item := range n.Content {
			r.value(key, item, all)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			r.value(n.Content[i].Value, n.Content[i+1], all && !fileKey.MatchString(n.Content[i].Value))
		}
	}
}

func isSecret(key string) bool { return secretKey.MatchString(key) && !fileKey.MatchString(key) }

func (r *redactor) scalar(n *yaml.Node, all bool) {
	if n.Value == "" || n.Tag == "!!null" || n.Tag == "!!bool" {
		return
	}
	if all {
		n.SetString(hidden)
		return
	}
	if u, err := url.Parse(n.Value); err == nil && u.Host != "" {
		n.Value = r.address(u, n.Value)
	} else if strings.Contains(n.Value, "://") && r.addresses {
		n.SetString(hidden) // a template of an address, or one that is none
	}
}

// address is an address without what authenticates.
func (r *redactor) address(u *url.URL, text string) string {
	rest := strings.TrimPrefix(u.EscapedPath(), "/") != "" || u.RawQuery != "" || u.Fragment != ""
	user := ""
	if u.User != nil {
		user = hidden + "@"
	}
	switch {
	case r.addresses && rest:
		return u.Scheme + "://" + user + u.Host + "/" + hidden
	case user == "" && u.RawQuery == "":
		return text
	}
	shown := u.Scheme + "://" + user + u.Host + u.EscapedPath()
	if u.RawQuery != "" {
		shown += "?" + hidden
	}
	return shown
}

// uncomment removes comments: they may hold what was once a setting.
func uncomment(n *yaml.Node, seen map[*yaml.Node]bool) {
	if n == nil || seen[n] {
		return
	}
	seen[n] = true
	n.HeadComment, n.LineComment, n.FootComment = "", "", ""
	uncomment(n.Alias, seen)
	for _, child := range n.Content {
		uncomment(child, seen)
	}
}
