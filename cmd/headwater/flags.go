package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/exporter-toolkit/web"
	"github.com/prometheus/exporter-toolkit/web/kingpinflag"

	"github.com/headwater-sre/headwater/api"
	"github.com/headwater-sre/headwater/ingest/bus"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// serveFlags is the command line of the server.
type serveFlags struct {
	configFile  string
	storagePath string
	web         *web.FlagConfig
	externalURL string
	lifecycle   bool
	grpcAddress string
	origins     []string

	natsURL, natsCredentials  string
	natsCA, natsCert, natsKey string
	natsReplicas              int
}

func registerServe(cli *kingpin.Application) *serveFlags {
	f := new(serveFlags)
	cmd := cli.Command("serve", "Run the server. This is what headwater does when no command is given.").Default()
	cmd.Flag("config.file", "Configuration file. Without it everything has its default: no topology, and pages go to the log.").PlaceHolder("FILE").StringVar(&f.configFile)
	cmd.Flag("storage.path", "Folder for the stream and the incidents. It belongs to one process at a time.").Default("data/").StringVar(&f.storagePath)
	f.web = kingpinflag.AddFlags(cmd, ":9097")
	cmd.Flag("web.external-url", "The address under which people reach this server, for links in pages. Default: this host's name and the web port.").PlaceHolder("URL").StringVar(&f.externalURL)
	cmd.Flag("web.enable-lifecycle", "Allow POST /-/reload.").BoolVar(&f.lifecycle)
	cmd.Flag("web.cors.origin", "Site whose pages may use the API from a browser, such as https://dashboards.example. Repeatable. Default: none but our own.").PlaceHolder("ORIGIN").StringsVar(&f.origins)
	cmd.Flag("grpc.listen-address", "Address for gRPC. TLS and passwords are those of --web.config.file. Empty: no gRPC port.").Default(":9098").StringVar(&f.grpcAddress)
	cmd.Flag("nats.url", "External NATS server with JetStream, several of one cluster separated by commas. Default: one within this process.").PlaceHolder("URL").StringVar(&f.natsURL)
	cmd.Flag("nats.credentials-file", "NATS credentials (.creds).").PlaceHolder("FILE").StringVar(&f.natsCredentials)
	cmd.Flag("nats.ca-file", "Certificate authorities that the NATS server is verified by, PEM. Default: the system's.").PlaceHolder("FILE").StringVar(&f.natsCA)
	cmd.Flag("nats.cert-file", "Client certificate for NATS, PEM.").PlaceHolder("FILE").StringVar(&f.natsCert)
	cmd.Flag("nats.key-file", "Key of the client certificate, PEM.").PlaceHolder("FILE").StringVar(&f.natsKey)
	cmd.Flag("nats.replicas", "Replicas of the streams in an external cluster, 1 to 5. Default: 1 for new streams, existing ones are left as they are.").PlaceHolder("N").IntVar(&f.natsReplicas)
	return f
}

// options checks the command line and the files that it names.
func (f *serveFlags) options() (serverOptions, error) {
	o := serverOptions{
		storagePath: f.storagePath,
		lifecycle:   f.lifecycle,
		web:         f.web,
		grpcAddress: f.grpcAddress,
		bus: bus.Options{
			URL: f.natsURL, CredentialsFile: f.natsCredentials,
			CAFile: f.natsCA, CertFile: f.natsCert, KeyFile: f.natsKey,
			Replicas: f.natsReplicas,
		},
	}
	var errs []error
	if f.storagePath == "" {
		errs = append(errs, errors.New("--storage.path: is empty; name a folder"))
	}
	if err := f.checkNATS(); err != nil {
		errs = append(errs, err)
	}
	var err error
	if o.origins, err = api.ParseOrigins(f.origins); err != nil {
		errs = append(errs, fmt.Errorf("--web.cors.origin: %w", err))
	}
	if o.externalURL, err = parseExternalURL(f.externalURL); err != nil {
		errs = append(errs, err)
	}
	if err := web.Validate(*f.web.WebConfigFile); err != nil {
		errs = append(errs, fmt.Errorf("--web.config.file: %s: %s", *f.web.WebConfigFile, strictyaml.LibraryText(err)))
	}
	if o.config, err = loadConfig(f.configFile); err != nil {
		errs = append(errs, err)
	}
	return o, errors.Join(errs...)
}

func (f *serveFlags) checkNATS() error {
	var errs []error
	for _, flag := range []struct{ name, value string }{
		{"--nats.credentials-file", f.natsCredentials},
		{"--nats.ca-file", f.natsCA},
		{"--nats.cert-file", f.natsCert},
		{"--nats.key-file", f.natsKey},
	} {
		if flag.value == "" {
			continue
		}
		if f.natsURL == "" {
			errs = append(errs, fmt.Errorf("%s: has no effect on the embedded server; add --nats.url", flag.name))
		}
		if _, err := os.Stat(flag.value); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", flag.name, err))
		}
	}
	if (f.natsCert == "") != (f.natsKey == "") {
		errs = append(errs, errors.New("--nats.cert-file and --nats.key-file go together; give both or none"))
	}
	switch {
	case f.natsReplicas < 0 || f.natsReplicas > 5:
		errs = append(errs, fmt.Errorf("--nats.replicas: %d; write 1 to 5", f.natsReplicas))
	case f.natsReplicas > 1 && f.natsURL == "":
		errs = append(errs, errors.New("--nats.replicas: the embedded server is one; add --nats.url"))
	}
	return errors.Join(errs...)
}

// parseExternalURL returns nil for the empty string: the default needs the port.
func parseExternalURL(s string) (*url.URL, error) {
	if s == "" {
		return nil, nil
	}
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("--web.external-url: %q is not an address such as https://headwater.example.com", s)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}

// defaultExternalURL is this host's name and the web port.
func defaultExternalURL(address net.Addr, tls bool) *url.URL {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	if tcp, ok := address.(*net.TCPAddr); ok {
		if !tcp.IP.IsUnspecified() && tcp.IP != nil {
			host = tcp.IP.String()
		}
		host = net.JoinHostPort(host, fmt.Sprint(tcp.Port))
	}
	scheme := "http"
	if tls {
		scheme = "https"
	}
	return &url.URL{Scheme: scheme, Host: host}
}
