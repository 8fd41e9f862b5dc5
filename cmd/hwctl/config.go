package main

import (
	"context"
	"fmt"

	"google.golang.org/grpc"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

func (a *app) addConfig() {
	group := a.cli.Command("config", "Show the server's configuration.")
	show := group.Command("show", "Print the configuration in force, without its secrets.")
	a.command(show, func(ctx context.Context) error {
		return ask(ctx, a, func(ctx context.Context, conn *grpc.ClientConn) (*headwaterv1.GetConfigResponse, error) {
			return headwaterv1.NewConfigServiceClient(conn).GetConfig(ctx, &headwaterv1.GetConfigRequest{})
		}, a.tellConfig)
	})
}

// tellConfig prints YAML that a server could read; what is said about it are comments.
func (a *app) tellConfig(c *headwaterv1.GetConfigResponse) {
	if c.GetFile() == "" {
		fmt.Fprintf(a.out, "# no configuration file: everything has its default, since %s\n", when(c.GetLoadedAt()))
	} else {
		fmt.Fprintf(a.out, "# %s, in force since %s\n", clean(c.GetFile()), when(c.GetLoadedAt()))
	}
	for _, w := range c.GetWarnings() {
		fmt.Fprintln(a.out, "# warning:", clean(w))
	}
	fmt.Fprint(a.out, c.GetYaml())
}
