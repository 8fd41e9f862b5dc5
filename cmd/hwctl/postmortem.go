package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/alecthomas/kingpin/v2"
	"google.golang.org/grpc"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

func (a *app) addIncidentsPostmortem(cmd *kingpin.CmdClause) {
	var id, file, svg string
	cmd.Arg("id", "Such as INC-41.").Required().StringVar(&id)
	cmd.Flag("file", "File to write. Default: standard output.").Short('f').PlaceHolder("FILE").StringVar(&file)
	cmd.Flag("svg", "File to write the picture of the cascade to; the document links it.").PlaceHolder("FILE").StringVar(&svg)
	a.command(cmd, func(ctx context.Context) error { return a.postmortem(ctx, id, file, svg) })
}

// postmortem writes the document of an incident, and its picture when that has a file.
func (a *app) postmortem(ctx context.Context, id, file, svg string) error {
	req := &headwaterv1.GetPostmortemRequest{Id: id, Picture: pictureLink(file, svg)}
	var resp *headwaterv1.GetPostmortemResponse
	err := a.call(ctx, func(ctx context.Context, conn *grpc.ClientConn) (err error) {
		resp, err = headwaterv1.NewReportServiceClient(conn).GetPostmortem(ctx, req)
		return err
	})
	if err != nil {
		return err
	}
	if svg != "" {
		if err := os.WriteFile(svg, []byte(resp.GetSvg()), 0o644); err != nil {
			return fmt.Errorf("write the picture: %w", err)
		}
	}
	switch {
	case a.json():
		return a.printJSON(resp)
	case file == "":
		_, err := fmt.Fprint(a.out, resp.GetMarkdown())
		return err
	}
	if err := os.WriteFile(file, []byte(resp.GetMarkdown()), 0o644); err != nil {
		return fmt.Errorf("write the post-mortem: %w", err)
	}
	fmt.Fprintf(a.errs, "%s: the post-mortem of %s\n", file, id)
	return nil
}

// pictureLink is where the picture is, seen from the document: a link that holds while both are moved together.
func pictureLink(file, svg string) string {
	if svg == "" {
		return ""
	}
	if link, err := filepath.Rel(filepath.Dir(file), svg); err == nil && file != "" {
		svg = link
	}
	return filepath.ToSlash(svg)
}
