package tensorboard

import (
	"encoding/binary"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of the messages, as their .proto files give them.
const (
	eventWallTime, eventStep, eventFileVersion, eventSummary, eventSessionLog = 1, 2, 3, 5, 7

	sessionStatus, sessionStatusStart = 1, 1

	summaryValue = 1

	valueTag, valueSimple, valueImage, valueTensor, valueMetadata = 1, 2, 4, 8, 9

	imageHeight, imageWidth, imageColourSpace, imageEncoded = 1, 2, 3, 4

	metadataPlugin, metadataClass = 1, 4

	pluginName, pluginContent = 1, 2

	tensorType, tensorShape, tensorContent, tensorString = 1, 2, 4, 8

	shapeDim, dimSize = 2, 1

	curveThresholds = 2 // of PrCurvePluginData
)

// Element types of a tensor.
const (
	typeFloat, typeDouble, typeString = 1, 2, 7
)

// classTensor marks tensors in a summary's metadata.
const classTensor = 2

// colourRGBA is how TensorBoard is told of four channels; it looks at the PNG.
const colourRGBA = 4

// event is an Event without its time: one field of it and the step.
type event struct {
	step  int64
	field protowire.Number
	data  []byte
}

func (e event) encode(now time.Time) []byte {
	b := protowire.AppendTag(nil, eventWallTime, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, math.Float64bits(float64(now.UnixMicro())/1e6))
	b = appendInt(b, eventStep, e.step)
	return appendBytes(b, e.field, e.data)
}

// fileVersion is the first event of every file.
func fileVersion() event { return event{field: eventFileVersion, data: []byte("brain.Event:2")} }

// sessionStart makes readers forget events of this step and later ones.
func sessionStart(step int64) event {
	return event{step, eventSessionLog, appendInt(nil, sessionStatus, sessionStatusStart)}
}

// summary is an event with one value: a tag and further fields.
func summary(tag string, step int64, fields []byte) event {
	value := append(appendBytes(nil, valueTag, []byte(tag)), fields...)
	return event{step, eventSummary, appendBytes(nil, summaryValue, value)}
}

func scalar(tag string, step int64, v float64) event {
	b := protowire.AppendTag(nil, valueSimple, protowire.Fixed32Type)
	return summary(tag, step, protowire.AppendFixed32(b, math.Float32bits(float32(v))))
}

func picture(tag string, step int64, width, height int, encoded []byte) event {
	b := appendInt(nil, imageHeight, int64(height))
	b = appendInt(b, imageWidth, int64(width))
	b = appendInt(b, imageColourSpace, colourRGBA)
	b = appendBytes(b, imageEncoded, encoded)
	return summary(tag, step, appendBytes(nil, valueImage, b))
}

// histogram holds the rows (left edge, right edge, count) of shape [k,3], as the
// histograms plugin wants them.
func histogram(tag string, step int64, rows [][3]float64) event {
	var content []byte
	for _, row := range rows {
		for _, v := range row {
			content = binary.LittleEndian.AppendUint64(content, math.Float64bits(v))
		}
	}
	tensor := appendTensor(typeDouble, []int{len(rows), 3}, tensorContent, content)
	return summary(tag, step, append(tensor, metadata("histograms", nil)...))
}

// prCurve holds the table of the pr_curves plugin: true positives, false
// positives, true negatives, false negatives, precision and recall, each of all
// thresholds.
func prCurve(tag string, step int64, rows [6][]float64) event {
	var content []byte
	for _, row := range rows {
		for _, v := range row {
			content = binary.LittleEndian.AppendUint32(content, math.Float32bits(float32(v)))
		}
	}
	n := len(rows[0])
	tensor := appendTensor(typeFloat, []int{len(rows), n}, tensorContent, content)
	return summary(tag, step, append(tensor, metadata("pr_curves", appendInt(nil, curveThresholds, int64(n)))...))
}

func text(tag string, step int64, s string) event {
	tensor := appendTensor(typeString, nil, tensorString, []byte(s))
	return summary(tag, step, append(tensor, metadata("text", nil)...))
}

// appendTensor is a value's tensor: type, shape and one field with the contents.
func appendTensor(dtype int64, shape []int, field protowire.Number, data []byte) []byte {
	var dims []byte
	for _, d := range shape {
		dims = appendBytes(dims, shapeDim, appendInt(nil, dimSize, int64(d)))
	}
	b := appendInt(nil, tensorType, dtype)
	b = appendBytes(b, tensorShape, dims)
	b = appendBytes(b, field, data)
	return appendBytes(nil, valueTensor, b)
}

// metadata names the plugin that shows a tensor.
func metadata(plugin string, content []byte) []byte {
	p := appendBytes(nil, pluginName, []byte(plugin))
	if len(content) > 0 {
		p = appendBytes(p, pluginContent, content)
	}
	b := appendBytes(nil, metadataPlugin, p)
	return appendBytes(nil, valueMetadata, appendInt(b, metadataClass, classTensor))
}

func appendInt(b []byte, field protowire.Number, v int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(v))
}

func appendBytes(b []byte, field protowire.Number, data []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), data)
}
