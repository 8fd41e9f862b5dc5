package correlate

import (
	"regexp"
	"strings"
	"testing"
)

// ruleNames are the names of rules as people ship and write them, by what they mean. The
// sources: kubernetes-mixin, node_exporter's and the exporters' mixins, Istio's samples,
// awesome-prometheus-alerts, names as CloudWatch, Datadog and Grafana alarms have them.
var ruleNames = map[Class]string{
	ClassCrash: `
		KubePodCrashLooping KubeContainerOOMKilled KubernetesPodCrashLooping KubernetesContainerOomKiller PodOOMKilled ContainerOOMKilled HostOomKillDetected
		OomKill CrashLoopBackOff ProcessCrashed ServicePanic PodRestartingTooOften KubePodRestarts PodFrequentlyRestarting container_restarts_high
		PrometheusTooManyRestarts PostgresqlRestarted MysqlRestarted SentinelFailover DiskFull NoSpaceLeftOnDevice JavaOutOfMemoryError HostOutOfDiskSpace SegfaultDetected PodEvicted`,
	ClassDown: `
		TargetDown InstanceDown HostDown KubeNodeNotReady KubeNodeUnreachable KubernetesNodeNotReady KubeletDown KubeAPIDown KubeSchedulerDown
		KubeControllerManagerDown KubeProxyDown NodeDown RedisDown RedisMissingMaster MySQLDown MysqlDown PostgresqlDown PostgreSQLDown RabbitmqDown RabbitmqNodeDown RabbitMQNodeDown
		KafkaBrokerDown MemcachedDown MongodbDown ElasticsearchDown etcdMembersDown PrometheusTargetMissing ServiceDown CoreDNSDown NginxDown HAProxyDown
		HaproxyServerDown ZookeeperDown PrometheusJobMissing PrometheusJobAbsent EC2InstanceUnreachable host_unreachable ServiceNotRunning ElasticsearchNodeMissing`,
	ClassUnready: `
		KubePodNotReady KubeDeploymentReplicasMismatch KubeStatefulSetReplicasMismatch KubeDaemonSetRolloutStuck KubeDeploymentRolloutStuck
		KubernetesPodNotHealthy KubernetesDeploymentReplicasMismatch KubernetesStatefulsetReplicasMismatch WorkloadUnavailable KubeReplicasUnavailable
		DeploymentDegraded KubeContainerWaiting KubeDaemonSetNotScheduled KubeDaemonSetMisScheduled KubeDeploymentGenerationMismatch PodStuckPending
		KubeStatefulSetUpdateNotRolledOut ElasticsearchClusterRed ElasticsearchClusterYellow UnHealthyHostCount UnhealthyTargets`,
	ClassError: `
		HighErrorRate HTTPErrorRateHigh HttpServer5xxRateHigh High5xxRate IstioHigh5xxResponseRate IstioHigh4xxRequestRate IstioHigh5xxRequestRate HTTPCode_Target_5XX_Count
		KubeAPIErrorsHigh KubeClientErrors CoreDNSErrorsHigh etcdHTTPGRPCRequestsFailed etcdGRPCRequestsFailed ErrorsTooHigh LambdaErrors api_5xx_errors
		checkout-error-rate GrpcErrorRateHigh Http5xxErrors TraefikHighHttp5xxErrorRateService NginxHighHttp5xxErrorRate HaproxyHighHttp5xxErrorRateBackend ExceptionsHigh
		RedisRejectedConnections PostgresqlDeadLocks PostgreSQLDeadLocks SuccessRateLow LowSuccessRate FailedLogins KafkaUnderReplicatedPartitionsFailed
		PrometheusRuleFailures PrometheusNotificationsFailed PostgresqlHighRollbackRate FiveXXError`,
	ClassLatency: `
		HighLatency HighLatencyP95 RequestLatencyHigh LatencyP95High LatencyP99High P99High HighResponseTime TargetResponseTimeHigh SlowRequests SlowQueries MysqlSlowQueries
		PostgreSQLSlowQueries IstioHighRequestLatency IstioLatency99Percentile KubeAPILatencyHigh CoreDNSLatencyHigh etcdHighCommitDurations etcdHighFsyncDurations
		etcdGRPCRequestsSlow ApdexLow ApdexScoreLow p95_latency_high checkout-p99-latency GatewayTimeouts HighQueryDuration BlackboxSlowProbe ElasticsearchSlowSearch RequestDurationHigh
		HostUnusualDiskReadLatency HostUnusualDiskWriteLatency KubeletPodStartUpLatencyHigh NginxLatencyHigh`,
	ClassSaturation: `
		HighCPU CPUUtilizationHigh HostHighCpuLoad HostOutOfInodes HighMemoryUsage MemoryUtilizationHigh HostMemoryUnderMemoryPressure ContainerHighCpuUtilization
		ContainerHighMemoryUsage ContainerMemoryNearLimit NodeCPUHighUsage NodeMemoryHighUtilization NodeSystemSaturation NodeDiskIOSaturation NodeFileDescriptorLimit
		NodeFilesystemAlmostOutOfSpace NodeFilesystemAlmostOutOfFiles NodeMemoryMajorPagesFaults PostgresqlTooManyConnections
		PostgreSQLMaxConnectionsReached MysqlTooManyConnections MySQLHighThreadsRunning MongodbTooManyConnections RedisTooManyConnections RedisOutOfConfiguredMaxmemory
		DBConnectionsNearMax DatabaseConnectionsHigh ElasticsearchHeapUsageTooHigh ElasticsearchDiskOutOfSpace ElasticsearchDiskSpaceLow JvmMemoryFillingUp JvmGcPauseHigh GarbageCollectionTime
		RabbitmqMemoryHigh RabbitmqFileDescriptorsUsage RabbitmqTooManyConnections MemcachedConnectionsNearLimit SaturationHigh PodCPUSaturation KubeletTooManyPods DiskUsageHigh
		HostHighLoad LoadAverageHigh IOWaitHigh FileDescriptorsExhausted HostSwapIsFillingUp EvictionsHigh MemcachedHighEvictions NodeNetworkInterfaceSaturated HostContextSwitchingHigh ContainerThrottling RDSFreeStorageSpaceLow FreeableMemoryLow`,
	ClassSurge: `
		RequestRateHigh HighRequestRate RequestSurge TrafficSpike TrafficSurge HighTraffic HighThroughput CallRateHigh IstioHighTotalRequestRate HighQPS
		RequestCountHigh MessageRateHigh`,
	ClassTrafficGone: `
		NoRequests NoTraffic NoRequestsReceived RequestRateDrop TrafficDropped RequestsMissing IstioLowTotalRequestRate LowTraffic LowRequestRate ThroughputDrop QPSTooLow
		RequestsDroppedToZero RequestRateLow NoOrders NoMessagesReceived KafkaNoMessagesIn`,
	ClassLag: `
		ConsumerLagHigh ConsumerGroupLag KafkaConsumerLag KafkaConsumersGroupLag KafkaTopicsLag QueueBacklogGrowing QueueDepthHigh RabbitmqQueueFillingUp RabbitmqTooManyUnackMessages
		RabbitmqTooManyMessagesInQueue RabbitmqTooManyReadyMessages SQSQueueDepth ApproximateAgeOfOldestMessage SqsOldestMessageAge QueueLengthHigh CeleryQueueBacklog MessagesPiling kafka_consumergroup_lag
		PrometheusNotificationQueueRunningFull PostgreSQLReplicationLag MysqlSlaveReplicationLag RedisReplicationLag MongodbReplicationLag ReplicaLag DeadLetterQueueGrowing`,
	ClassClientPool: `
		ClientConnPoolExhausted HikariPoolPendingThreads HikariPoolExhausted JdbcConnectionPoolExhausted ConnectionPoolWait DBPoolExhausted WorkerPoolExhausted DbConnectionPoolUsageHigh
		HttpClientPoolExhausted ThreadPoolSaturated`,
	ClassProbe: `
		BlackboxProbeFailed BlackboxProbeHttpFailure ProbeFailing HealthCheckFailed SyntheticCheckFailed SLOBurnFast ErrorBudgetBurn AvailabilityLow KubeAPIErrorBudgetBurn
		SLOViolation slo_burn_rate_high ServiceAvailabilityBelowSLO StatusCheckFailed EndpointHealthCheckFailing`,
	ClassEdge: `
		UpstreamErrors UpstreamRequestErrors IstioUpstreamErrors CircuitBreakerOpen UpstreamTimeouts Upstream5xxHigh EnvoyUpstreamConnectFailures BreakerOpen UpstreamUnavailable
		EnvoyCircuitBreakerTripped`,
	ClassChore: `
		Watchdog InfoInhibitor CertificateExpiringSoon KubeClientCertificateExpiration KubeletClientCertificateExpiration SSLCertExpiry BlackboxSslCertificateWillExpireSoon BlackboxSslCertificateExpired
		NodeFilesystemSpaceFillingUp NodeFilesystemFilesFillingUp KubePersistentVolumeFillingUp KubePersistentVolumeInodesFillingUp HostDiskWillFillIn24Hours HostInodesWillFillIn24Hours
		KubeJobFailed KubeJobNotCompleted KubernetesJobFailed KubernetesCronjobSuspended KubeCronJobRunning BackupFailed
		BackupTooOld NodeClockSkewDetected NodeClockNotSynchronising HostClockSkew KubeCPUOvercommit KubeMemoryOvercommit KubeQuotaAlmostFull KubeQuotaExceeded KubeQuotaFullyUsed
		KubeHpaMaxedOut KubernetesHpaScaleMaximum KubeVersionMismatch CPUThrottlingHigh ImagePullSlow ImagePullBackOff PrometheusBadConfig AlertmanagerFailedReload ConfigReloadFailed
		PrometheusConfigurationReloadFailure AlertmanagerConfigInconsistent NodeTextFileCollectorScrapeError HostRequiresReboot RebootRequired AlwaysFiring DeadMansSwitch`,
	ClassOther: `
		CacheHitRateLow RedisClusterSlotsOdd SomethingOdd TeamStandup A "" hw-42`,
}

func TestRuleNamesMeanWhatTheySay(t *testing.T) {
	c := DefaultClassifier()
	for want, names := range ruleNames {
		for _, name := range strings.Fields(names) {
			name = strings.Trim(name, `"`)
			if got := c.Class(&Alert{Labels: map[string]string{"alertname": name}}); got != want {
				t.Errorf("%s is %s, want %s", name, got, want)
			}
		}
	}
}

// "KubePodNotReady", "kube_pod_not_ready" and "Kube pod not ready" are one name.
func TestTheSpellingOfANameDoesNotMatter(t *testing.T) {
	c := DefaultClassifier()
	for _, names := range ruleNames {
		for _, name := range strings.Fields(names) {
			words := spaced(name)
			want := c.ofName(name).class
			for _, sep := range []string{" ", "_", "-", "."} {
				for _, spelling := range []string{strings.ReplaceAll(words, " ", sep), strings.ToLower(strings.ReplaceAll(words, " ", sep))} {
					if got := c.ofName(spelling).class; got != want {
						t.Errorf("%s is %s, %s is %s", name, want, spelling, got)
					}
				}
			}
		}
	}
}

func TestALabelBeatsRulesAndRulesBeatWords(t *testing.T) {
	c := NewClassifier(ClassRule{ClassLag, regexp.MustCompile("High.*")}, ClassRule{ClassCrash, regexp.MustCompile("HighErrorRate")})
	for _, tt := range []struct {
		name, label, summary string
		want                 Class
	}{
		{name: "HighErrorRate", want: ClassLag}, // the first rule that matches
		{name: "HighErrorRate", label: "surge", want: ClassSurge},
		{name: "HighErrorRate", label: "nonsense", want: ClassLag},
		{name: "VeryHighErrorRate", want: ClassError}, // rules are anchored
		{name: "Odd", summary: "5xx rate of cart above 5 %", want: ClassError},
		{name: "Odd", summary: "certificate expires", want: ClassOther}, // prose says too much to call it a chore
		{name: "PodCrashLooping", summary: "5xx rate above 5 %", want: ClassCrash},
	} {
		a := &Alert{Labels: map[string]string{"alertname": tt.name, ClassLabel: tt.label}, Annotations: map[string]string{"summary": tt.summary}}
		if got := c.Class(a); got != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}

func FuzzClass(f *testing.F) {
	for _, names := range ruleNames {
		for _, name := range strings.Fields(names) {
			f.Add(name, "", "")
		}
	}
	f.Add("\xff\x00", "crash", "p99 \xf0")
	c := DefaultClassifier()
	f.Fuzz(func(t *testing.T, name, label, summary string) {
		a := &Alert{Labels: map[string]string{"alertname": name, ClassLabel: label}, Annotations: map[string]string{"summary": summary}}
		one := c.Class(a)
		if int(one) >= len(classNames) {
			t.Fatalf("class %d has no name", one)
		}
		if two := c.Class(a); one != two || one != DefaultClassifier().Class(a) {
			t.Fatalf("%q is %s once and %s then", name, one, two)
		}
		if a.Labels["alertname"] != name || len(a.Labels) != 2 || len(a.Annotations) != 1 {
			t.Fatal("the alert was changed")
		}
	})
}
