package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"github.com/alecthomas/kingpin/v2"

	dashboard "github.com/headwater-sre/headwater/api/web"
)

// galleryFlags is the command line of the gallery.
type galleryFlags struct {
	command    *kingpin.CmdClause
	webAddress string
}

func registerGallery(cli *kingpin.Application) *galleryFlags {
	f := &galleryFlags{command: cli.Command("gallery", "Show every part of the dashboard in every state, with canned data and no server behind it. For those who work on it.")}
	f.command.Flag("web.listen-address", "Web address. A free port is taken when it is in use.").Default("127.0.0.1:9097").StringVar(&f.webAddress)
	return f
}

// run serves until a signal.
func (f *galleryFlags) run(out, errs io.Writer, log *slog.Logger) int {
	ctx, _, done := onSignals(context.Background(), log)
	defer done()
	if err := f.serve(ctx, out); err != nil {
		fmt.Fprintf(errs, "headwater: gallery: %v\n", err)
		return exitFailed
	}
	return exitOK
}

func (f *galleryFlags) serve(ctx context.Context, out io.Writer) error {
	handler, err := dashboard.Handler(dashboard.Options{Gallery: true})
	if err != nil {
		return err
	}
	l, err := listen("--web.listen-address", freeAddress(f.webAddress))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "http://%s/ui/gallery\n", l.Addr())
	server := &http.Server{Handler: handler, ReadHeaderTimeout: readHeaderTimeout}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
