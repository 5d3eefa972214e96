package api

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// subnetCollector reads a subnet at each scrape.
type subnetCollector struct{ subnet Subnet }

var (
	blockDesc      = prometheus.NewDesc("bitmind_block", "Number of the chain's newest block.", nil, nil)
	challengesDesc = prometheus.NewDesc("bitmind_challenges_total", "Challenges by class of the image.", []string{"label"}, nil)
	weightsDesc    = prometheus.NewDesc("bitmind_weights_set_total", "Weight settings confirmed on the chain.", nil, nil)

	minerLabels   = []string{"uid", "detector"}
	askedDesc     = prometheus.NewDesc("bitmind_miner_asked_total", "Challenges sent to the miner.", minerLabels, nil)
	answeredDesc  = prometheus.NewDesc("bitmind_miner_answered_total", "Challenges the miner answered.", minerLabels, nil)
	accuracyDesc  = prometheus.NewDesc("bitmind_miner_accuracy", "Share of the answers that were right.", minerLabels, nil)
	scoreDesc     = prometheus.NewDesc("bitmind_miner_score", "Moving score in [0,1].", minerLabels, nil)
	incentiveDesc = prometheus.NewDesc("bitmind_miner_incentive", "Share of the miners' pay in [0,1].", minerLabels, nil)
)

func (subnetCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{blockDesc, challengesDesc, weightsDesc, askedDesc, answeredDesc, accuracyDesc, scoreDesc, incentiveDesc} {
		ch <- d
	}
}

func (c subnetCollector) Collect(ch chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	}
	s := c.subnet.Snapshot()
	send(blockDesc, prometheus.GaugeValue, float64(s.Blocks))
	send(challengesDesc, prometheus.CounterValue, float64(s.Images.Real), "real")
	send(challengesDesc, prometheus.CounterValue, float64(s.Images.Synthetic), "synthetic")
	send(weightsDesc, prometheus.CounterValue, float64(s.WeightsSet))
	for _, m := range s.Miners {
		labels := []string{strconv.Itoa(int(m.UID)), m.Detector}
		send(askedDesc, prometheus.CounterValue, float64(m.Asked), labels...)
		send(answeredDesc, prometheus.CounterValue, float64(m.Answered), labels...)
		send(accuracyDesc, prometheus.GaugeValue, m.Accuracy, labels...)
		send(scoreDesc, prometheus.GaugeValue, m.Score, labels...)
		send(incentiveDesc, prometheus.GaugeValue, m.Incentive, labels...)
	}
}
