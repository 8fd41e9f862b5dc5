package acceptance

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"testing"
)

// alertmanager is a real one.
type alertmanager struct {
	*process
	web string // http://127.0.0.1:<port>
}

// alertmanagerConfig hands everything to Headwater as the example in deploy/ does,
// with shorter waits, and goes on to the routes that were there before.
const alertmanagerConfig = `
route:
  receiver: nobody
  routes:
    - receiver: headwater
      continue: true
      group_by: [environment]
      group_wait: 500ms
      group_interval: 1s
      repeat_interval: 15m
    - receiver: nobody
receivers:
  - name: headwater
    webhook_configs:
      - url: %s/webhook/alertmanager
        send_resolved: true
        max_alerts: 0
  - name: nobody
`

// startAlertmanager starts one that sends to a Headwater. Without a cluster address it is alone.
func startAlertmanager(t testing.TB, name, headwater, cluster string, peers ...string) *alertmanager {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "alertmanager.yml")
	write(t, config, fmt.Sprintf(alertmanagerConfig, headwater))
	args := []string{
		"--config.file=" + config, "--storage.path=" + dir, "--web.listen-address=127.0.0.1:0",
		"--cluster.listen-address=" + cluster, "--log.format=json",
	}
	for _, p := range peers {
		args = append(args, "--cluster.peer="+p)
	}
	// The one that comes second in a cluster sends what the first one did not within
	// this time.
	args = append(args, "--cluster.peer-timeout=2s", "--cluster.settle-timeout=2s", "--cluster.gossip-interval=100ms")
	a := &alertmanager{process: launch(t, name, binary(t, alertmanagerBinary), args...)}
	a.web = "http://" + a.said(t, "Listening on")["address"]
	eventually(t, name+" is ready", patience, func() error { return errors.Join(a.alive(), ready(a.web)) })
	return a
}

// freePort is a port that was free a moment ago, for programs that cannot say which one they took.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
