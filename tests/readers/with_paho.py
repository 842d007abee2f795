"""Reads a box's topics with the Paho client, as many integrations do: `with_paho.py PORT 3.1.1|5 MESSAGES` prints "topic payload"."""

import sys

import paho.mqtt.client as mqtt

port, version, messages = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
protocol = mqtt.MQTTv5 if version == "5" else mqtt.MQTTv311
# Paho 2 wants to be told which form its callbacks have; 1 has only this one.
if hasattr(mqtt, "CallbackAPIVersion"):
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION1, f"paho-{version}", protocol=protocol)
else:
    client = mqtt.Client(f"paho-{version}", protocol=protocol)
seen = 0


def on_connect(client, *_):
    client.subscribe("oriel/#", qos=1)


def on_message(client, _, message):
    global seen
    seen += 1
    print(message.topic, message.payload.decode("utf-8"), flush=True)
    if seen == messages:
        client.disconnect()


client.on_connect, client.on_message = on_connect, on_message
client.connect("127.0.0.1", port, keepalive=10)
client.loop_forever()
