package main

import (
	"strings"

	"github.com/alecthomas/kingpin/v2"
)

// listFlags are those of every command that lists.
type listFlags struct {
	filter string
	limit  int
}

func (l *listFlags) register(cmd *kingpin.CmdClause, example string) {
	cmd.Flag("filter", "Further condition, as the API has it: "+example).PlaceHolder("EXPRESSION").StringVar(&l.filter)
	cmd.Flag("limit", "Most entries to list; 0: all.").Short('n').Default("50").IntVar(&l.limit)
}

// quoted escapes what would end a quoted value in a filter; nothing else has a meaning there.
var quoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// conditions joins what flags ask for into one filter expression.
type conditions []string

// equal adds a comparison, unless the flag was not given.
func (c *conditions) equal(field, value string) {
	if value != "" {
		*c = append(*c, field+` = "`+quoted.Replace(value)+`"`)
	}
}

func (c conditions) and(filter string) string {
	if filter != "" {
		if len(c) == 0 {
			return filter
		}
		c = append(c, "("+filter+")")
	}
	return strings.Join(c, " AND ")
}

// pages fetches page after page until there is no more or limit entries have
// come. fetch gets the size to ask for and the token, and returns how many came
// and the next token.
func pages(limit int, fetch func(size int32, token string) (int, string, error)) error {
	const most = 1000 // what the server gives at once
	for got, token := 0, ""; ; {
		size := most
		if limit > 0 {
			size = min(most, limit-got)
		}
		n, next, err := fetch(int32(size), token)
		if err != nil {
			return err
		}
		got += n
		if next == "" || limit > 0 && got >= limit {
			return nil
		}
		token = next
	}
}
