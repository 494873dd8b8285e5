"""The demo behind `scripts/demo.sh`: predictor node and camera node on real DDS, recorded, scored and pictured."""
