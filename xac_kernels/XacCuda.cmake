target_sources(beamcast_xac PRIVATE xac_cuda_none.c)
